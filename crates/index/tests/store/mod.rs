//! A real store on a free port, in the test's own process. It ends with the value.
//!
//! The one place where tests start the engine. Other packages' tests include this file by its path: as a package, or a
//! part of `testkit`, it would make the engine a dependency of every test there is.

use heimdex_index::{Index, Options};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A running store and its client.
pub struct Store {
    pub index: Index,
    shutdown: CancellationToken,
    _folder: TempDir,
}

impl Store {
    pub async fn open(options: Options) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound address"));
        let shutdown = CancellationToken::new();
        let config = heimdex_store::Config { data_dir: folder.path().join("data"), ..heimdex_store::Config::default() };
        tokio::spawn(heimdex_store::serve(config, listener, shutdown.clone()));
        let index = Index::connect(&url, options).expect("the store's address");
        Self { index, shutdown, _folder: folder }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
