//! Where a subcommand finds the store and the running gateway.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use model::record::Trunk;
use store::{Keys, Store};

use crate::config::Config;
use crate::prompts;

/// Which installation is meant.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Place {
    /// The gateway's configuration file; it names the store and the API
    #[arg(long, value_name = "FILE", global = true, env = "TOLLGATE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// The store itself, `sqlite:PATH` or `postgres://…`, in place of the one that the configuration names
    #[arg(long, value_name = "URL", global = true)]
    pub(crate) store: Option<String>,
}

impl Place {
    /// Reads the configuration.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn config(&self) -> Result<Config> {
        let path = self.config.as_deref().unwrap_or(Path::new(super::DEFAULT_CONFIG));
        Ok(Config::load(path)?)
    }

    /// Returns the trunks of the configuration; none where only a store is named.
    ///
    /// # Errors
    /// As [`Self::config`].
    pub(crate) fn trunks(&self) -> Result<Vec<Trunk>> {
        if self.store.is_some() && self.config.is_none() {
            return Ok(Vec::new());
        }
        Ok(self.config()?.trunks)
    }

    /// Returns the keys of withheld numbers, if the billing view is asked for; none where only a
    /// store is named.
    ///
    /// # Errors
    /// As [`Self::config`].
    pub(crate) fn keys(&self, full: bool) -> Result<Keys> {
        if !full || self.store.is_some() && self.config.is_none() {
            return Ok(Keys::default());
        }
        Ok(self.config()?.keys)
    }

    /// Returns the languages that have recordings, the one for all others first; none where only a
    /// store is named or the recordings cannot be read, of which `tollgate check` tells.
    ///
    /// # Errors
    /// As [`Self::config`].
    pub(crate) fn languages(&self) -> Result<Vec<String>> {
        if self.store.is_some() && self.config.is_none() {
            return Ok(Vec::new());
        }
        let library = prompts::load(self.config()?.media.prompts.as_deref());
        let known = library.iter().flat_map(|library| library.languages());
        Ok(known.map(str::to_owned).collect())
    }

    /// Opens the store that is there, beside a running gateway or without one.
    ///
    /// # Errors
    /// If the configuration is wrong, or there is no store or it cannot be opened.
    pub(crate) async fn open(&self) -> Result<Store> {
        let url = self.url()?;
        if !is_there(&url) {
            bail!(
                "there is no store at {}; `tollgate apply FILE` or `tollgate serve` makes it",
                store::shown(&url)
            );
        }
        opened(&url).await
    }

    /// Opens the store, making it if need be.
    ///
    /// # Errors
    /// If the configuration is wrong or the store cannot be opened.
    pub(crate) async fn open_or_make(&self) -> Result<Store> {
        opened(&self.url()?).await
    }

    /// Opens the store that is there, else one in memory that is as empty as a new one.
    ///
    /// # Errors
    /// If the configuration is wrong or the store cannot be opened.
    pub(crate) async fn open_or_imagine(&self) -> Result<Store> {
        let url = self.url()?;
        opened(if is_there(&url) { &url } else { "memory:" }).await
    }

    /// Returns the URL of the store.
    ///
    /// # Errors
    /// If the configuration is wrong, or the store could not be shared.
    pub(crate) fn url(&self) -> Result<String> {
        let url = match &self.store {
            Some(url) => url.clone(),
            None => self.config()?.store,
        };
        if url == "memory:" || !store::is_url(&url) {
            bail!(
                "{:?} cannot be shared with a gateway; use sqlite:PATH or postgres://USER@HOST/NAME",
                store::shown(&url)
            );
        }
        Ok(url)
    }
}

/// How the URL of a store in a file begins.
const SQLITE: &str = "sqlite:";

/// A database is there, or says itself that it is not.
fn is_there(url: &str) -> bool {
    url.strip_prefix(SQLITE).is_none_or(|path| Path::new(path).exists())
}

async fn opened(url: &str) -> Result<Store> {
    Store::open(url).await.with_context(|| format!("cannot open {}", store::shown(url)))
}
