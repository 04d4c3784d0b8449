//! What the end-to-end tests are made of: the real binary with a folder of its own, SIPp, phones
//! that talk and listen, the book read by SQL, and a network that loses.

pub(crate) mod baresip;
pub(crate) mod binary;
pub(crate) mod book;
pub(crate) mod carrier;
pub(crate) mod certificates;
pub(crate) mod clock;
#[path = "../../crates/store/tests/world/cluster.rs"]
pub(crate) mod cluster;
pub(crate) mod linphone;
pub(crate) mod names;
pub(crate) mod network;
pub(crate) mod phone;
pub(crate) mod ports;
pub(crate) mod proxy;
pub(crate) mod relay;
pub(crate) mod scripted;
pub(crate) mod sipp;
pub(crate) mod site;
pub(crate) mod telephone;
pub(crate) mod tls;
pub(crate) mod tollgate;
pub(crate) mod wave;

/// Makes a PostgreSQL database with the schema, for a book; it goes with the test process.
pub(crate) fn database() -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let cluster = runtime.expect("the kernel gives an event queue").block_on(cluster::shared());
    cluster.database("template1")
}
