//! A PostgreSQL server of our own on a temporary cluster: its own socket, no network, gone with the
//! process that started it, however that ends.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use store::Store;
use tokio::sync::OnceCell;

/// Makes the cluster, then starts and stops its server by the orders on its standard input, and
/// answers each. At the end of its input, which is our death, it stops the server and cleans up.
/// $1 the folder, $2 where the server's programs are, then what becomes the user to run them as.
const KEEPER: &str = r#"
folder=$1 programs=$2; shift 2
"$@" "$programs/initdb" -D "$folder/data" -A trust -U postgres -E UTF8 --locale=C --no-sync \
  >>"$folder/log" 2>&1 || { cat "$folder/log" >&2; rm -rf "$folder"; exit 1; }
while read -r order; do
  case $order in
    start)
      "$@" "$programs/postgres" -D "$folder/data" -k "$folder" -c listen_addresses= \
        -c max_connections=300 -c shared_buffers=64MB -c max_wal_size=256MB \
        <&- >>"$folder/log" 2>&1 &
      server=$!
      until "$programs/pg_isready" -q -h "$folder"; do
        kill -0 $server || { cat "$folder/log" >&2; break; }
        sleep 0.05
      done ;;
    *) kill -"$order" $server; wait $server ;;
  esac
  echo "$order"
done
kill -QUIT $server 2>/dev/null && wait $server
rm -rf "$folder"
"#;

/// A cluster and its server.
#[derive(Debug)]
pub(crate) struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    keeper: Mutex<Keeper>,
    databases: AtomicU32,
}

#[derive(Debug)]
struct Keeper {
    orders: Option<ChildStdin>,
    done: BufReader<ChildStdout>,
    process: Child,
}

/// The cluster that the tests of this process share; `template1` has the schema.
pub(crate) async fn shared() -> &'static Cluster {
    static SHARED: OnceCell<Cluster> = OnceCell::const_new();
    let started = SHARED.get_or_init(async || {
        let cluster = Cluster::start();
        let migrated = Store::migrate(&cluster.url("postgres", "template1")).await;
        migrated.expect("a new cluster can be migrated");
        cluster
    });
    started.await
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.orders = None;
        drop(self.process.wait());
    }
}

impl Cluster {
    /// Makes a cluster and starts its server.
    pub(crate) fn start() -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new()
            .prefix("tollgate-pg-")
            .tempdir()
            .expect("a folder can be made")
            .keep();
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "sh"]).arg(&folder).arg(&programs);
        if is_root(&folder) {
            // The server refuses to run as root.
            let given = Command::new("chown")
                .arg("postgres:")
                .arg(&folder)
                .status()
                .expect("chown is there");
            assert!(given.success(), "no user postgres: install the package postgresql");
            let user = ["--reuid=postgres", "--regid=postgres", "--clear-groups"];
            keeper.arg("setpriv").args(user);
        } else {
            keeper.arg("env");
        }
        keeper.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = keeper.spawn().expect("sh is there");
        let done = BufReader::new(process.stdout.take().expect("it was asked for"));
        let keeper = Mutex::new(Keeper { orders: process.stdin.take(), done, process });
        let cluster = Self { folder, programs, keeper, databases: AtomicU32::new(0) };
        cluster.order("start");
        cluster
    }

    /// Makes a database and returns its URL. It is as `template1` is by now, or as empty as
    /// `template0`.
    pub(crate) fn database(&self, template: &str) -> String {
        let name = format!("book{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE {template}"));
        self.url("postgres", &name)
    }

    /// Returns the URL of a database for a role.
    pub(crate) fn url(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@localhost/{database}?host={}", self.folder.display())
    }

    /// Runs SQL as the superuser; returns the rows, a line each, columns parted by `|`.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        let psql = Command::new(self.programs.join("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres"])
            .args(["-d", database, "-c", sql, "-h"])
            .arg(&self.folder)
            .output()
            .expect("psql is there");
        assert!(psql.status.success(), "{sql}: {}", String::from_utf8_lossy(&psql.stderr));
        String::from_utf8(psql.stdout).expect("it writes UTF-8")
    }

    /// Gives an order, `start` or a signal to stop by, and waits until it is done.
    pub(crate) fn order(&self, order: &str) {
        let mut keeper = self.keeper.lock().expect("nobody panics while giving an order");
        let orders = keeper.orders.as_mut().expect("it is open until dropped");
        writeln!(orders, "{order}").expect("the keeper listens");
        let mut answer = String::new();
        keeper.done.read_line(&mut answer).expect("the keeper answers");
        assert_eq!(answer.trim(), order, "the server of the tests");
    }
}

/// Where the server's programs are: on the path, or where Debian keeps the newest.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = versions.map(|version| version.path().join("bin"));
    let mut found: Vec<PathBuf> = debian.filter(|folder| folder.join("initdb").exists()).collect();
    found.sort();
    let folders = ["/usr/local/pgsql/bin", "/usr/local/bin", "/usr/bin"].map(PathBuf::from);
    let other = || folders.into_iter().find(|folder| folder.join("initdb").exists());
    found.pop().or_else(other).expect("no PostgreSQL server: install the package postgresql")
}

fn is_root(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    folder.metadata().expect("it was just made").uid() == 0
}
