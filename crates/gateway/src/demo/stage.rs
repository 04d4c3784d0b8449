//! The stage: a folder of its own with a configuration, a provisioned organization and a little
//! credit, all of which the other subcommands can be pointed at while the demo is up.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use credits::{Answer, Command};
use model::record::Provision;
use model::{Money, OrganizationId};
use store::Store;

use crate::clock;
use crate::config::Config;
use crate::provisioning;

/// Who plays, in the order in which they dial.
pub(super) const NAMES: [&str; 3] = ["Ada", "Bo", "Cleo"];
/// The toll number; any organization's meetings can be joined by it.
pub(super) const TOLL: &str = "+390110001";
/// The toll-free number; it is the organization's own, so that who pays is known before answer.
pub(super) const TOLL_FREE: &str = "+39800110001";
/// A toll number that leads into the meeting without an ID, for SIPp.
pub(super) const BOUND: &str = "+390110002";
/// What everything is counted in.
pub(super) const CURRENCY: &str = "EUR";
/// The organization's short name.
pub(super) const ORGANIZATION: &str = "demo";
/// The credit at the start: two toll legs live on it for 70 s, less once the third one joins.
pub(super) const CREDIT: Money = Money::from_micros(1_400_000);

/// What is provisioned. Prices are by the second, so that a short call shows what is charged.
const PROVISION: &str = r#"
[[organization]]
name = "demo"
currency = "EUR"

[[user]]
name = "ada@demo.example"
organization = "demo"
licences = ["MCOMEETACPEA"]

[[meeting]]
name = "demo"
organizer = "ada@demo.example"
announce = false

[[number]]
number = "+390110001"
type = "toll"
country = "IT"

[[number]]
number = "+390110002"
type = "toll"
country = "IT"
organization = "demo"
meeting = "demo"

[[number]]
number = "+39800110001"
type = "toll-free"
country = "IT"
organization = "demo"

[[tariff]]
currency = "EUR"
type = "toll"
per_minute = "0.60"
initial_secs = 1
subsequent_secs = 1

[[tariff]]
currency = "EUR"
type = "toll-free"
per_minute = "1.20"
initial_secs = 1
subsequent_secs = 1
"#;

/// The first port tried for SIP, and how many follow.
const PORTS: Range<u16> = 5060..5100;

/// Where the ranges for RTP lie that are tried, below the ports that systems hand out.
const RTP: Range<u16> = 26_000..32_000;
/// Ports of one range: two for each of the legs that the demo can have, and as many to spare.
const RTP_PORTS: u16 = 400;

/// Everything that is set up before the gateway starts.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) config: Config,
    /// The configuration's file.
    pub(super) file: PathBuf,
    /// Where the gateway listens for SIP.
    pub(super) gateway: SocketAddr,
    pub(super) conference_id: String,
    pub(super) organization: OrganizationId,
    pub(super) store: Store,
    /// Removed at the end.
    folder: Folder,
}

/// A folder that goes when the demo goes.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning.
        drop(fs::remove_dir_all(&self.0));
    }
}

impl Stage {
    /// Sets everything up.
    ///
    /// # Errors
    /// If files cannot be written, no port is free, or the store fails.
    pub(super) async fn set(token: u32) -> Result<Self> {
        let path = folder(token);
        fs::create_dir(&path).with_context(|| path.display().to_string())?;
        let folder = Folder(path);
        let gateway = free_port()?;
        let text = configuration(&folder.0, gateway)?;
        let file = folder.0.join("tollgate.toml");
        fs::write(&file, &text).with_context(|| file.display().to_string())?;
        let config = Config::parse(&file, &text)?;
        let store = Store::open(&config.store).await?;
        let conference_id = provision(&store, &config, &folder.0).await?;
        let organization = OrganizationId::from_name(ORGANIZATION);
        top_up(&store, organization, "DEMO-START", CREDIT).await?;
        Ok(Self { config, file, gateway, conference_id, organization, store, folder })
    }

    /// Returns the folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder.0
    }
}

/// Returns the folder of a demo.
pub(super) fn folder(token: u32) -> PathBuf {
    std::env::temp_dir().join(format!("tollgate-demo-{token:08x}"))
}

/// Adds credit to the organization's account.
///
/// # Errors
/// If the store fails or says no.
pub(super) async fn top_up(
    store: &Store,
    organization: OrganizationId,
    reference: &str,
    amount: Money,
) -> Result<()> {
    let (account, at) = (organization.account(), clock::unix());
    let top_up = Command::TopUp { account, reference: reference.to_owned(), amount, at };
    let answers = store.commit(&[top_up], at).await?;
    match answers.as_slice() {
        [Answer::Stands(_)] => Ok(()),
        other => bail!("the top-up was answered by {other:?}"),
    }
}

/// Writes the configuration: loopback only for SIP. Media may go anywhere, since a softphone on
/// this machine may name any address of it.
fn configuration(folder: &Path, gateway: SocketAddr) -> Result<String> {
    let http = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let token = clock::seed()?.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let rtp = free_range()?;
    let (rtp_first, rtp_last) = (rtp.start, rtp.end - 1);
    let store = folder.join("demo.sqlite");
    let store = store.to_str().context("the temporary folder's name is not text")?;
    Ok(format!(
        r#"[node]
name = "demo"
calls_max = 100

[store]
url = 'sqlite:{store}'

[[listener]]
bind = "{gateway}"

[media]
bind = "127.0.0.1"
port_first = {rtp_first}
port_last = {rtp_last}

[[trunk]]
name = "demo"
signalling = ["127.0.0.0/8"]
media = ["0.0.0.0/0"]
loopback_media = true

[http]
bind = "{http}"
token = "{token}"

[log]
filter = "warn"
"#
    ))
}

/// Applies the provision as `tollgate apply` does, and returns the conference ID drawn.
async fn provision(store: &Store, config: &Config, folder: &Path) -> Result<String> {
    fs::write(folder.join("provision.toml"), PROVISION)?;
    let seed = clock::seed()?;
    let plan = provisioning::plan(PROVISION, &Provision::default(), config.trunks.clone(), seed)
        .map_err(|problems| anyhow!("the demo's own provision: {problems:?}"))?;
    store.apply(&plan.change).await?;
    let (_, id) = plan.conference_ids.first().context("the demo has no meeting")?;
    Ok(id.reveal().to_owned())
}

/// Finds a UDP port for SIP: 5060 if it is free.
fn free_port() -> Result<SocketAddr> {
    let free = |port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).and_then(|s| s.local_addr());
    PORTS.chain([0]).find_map(|port| free(port).ok()).context("no UDP port is free")
}

/// Finds a range for RTP that no other demo has: its first and its last pair are free.
fn free_range() -> Result<Range<u16>> {
    let free = |port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    RTP.step_by(usize::from(RTP_PORTS))
        .map(|first| first..first + RTP_PORTS)
        .find(|range| {
            let Range { start, end } = *range;
            [start, start + 1, end - 2, end - 1].into_iter().all(free)
        })
        .with_context(|| {
            let Range { start, end } = RTP;
            format!("no {RTP_PORTS} UDP ports in a row are free for RTP between {start} and {end}")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_stage_is_set_with_credit_and_an_id_and_leaves_nothing_behind() {
        let stage = Stage::set(0x7e57_0001 ^ std::process::id()).await.unwrap();
        let account = stage.store.account(stage.organization).await.unwrap().unwrap();
        assert_eq!(account.available, CREDIT);
        assert_eq!(stage.conference_id.len(), 9);
        assert!(Config::load(&stage.file).is_ok());
        let folder = stage.folder().to_owned();
        drop(stage);
        assert!(!folder.exists());
    }

    #[test]
    fn a_second_demo_takes_the_next_range_for_rtp() {
        let first = free_range().unwrap();
        let _taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, first.end - 1)).unwrap();
        let second = free_range().unwrap();
        assert_eq!(second.len(), usize::from(RTP_PORTS));
        assert!(!second.contains(&first.start) && second.end <= RTP.end);
    }
}
