//! What users rely on, against the real program in both placements. Each placement is started once; the scenarios run
//! in it one after the other, each with organizations of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a scenario fails by panicking")]

mod bad_inputs;
mod command_line;
mod dead_letters;
mod deletes;
mod http;
mod jobs;
mod keeper;
mod outages;
mod retrieval;
mod shutdown;
mod tenants;
mod versions;

use heimdex_e2e::Client;
use heimdex_testkit::heimdex::{Cluster, ClusterConfig, Topology};

/// A running Heimdex and a user of it.
struct Scene {
    topology: Topology,
    cluster: Cluster,
    client: Client,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process() {
    all(Topology::OneProcess).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_per_part() {
    all(Topology::OneProcessPerPart).await;
}

async fn all(topology: Topology) {
    let mut scene = start(topology).await;
    retrieval::every_format_is_found_in_every_mode(&scene).await;
    retrieval::a_bad_request_is_refused_by_field(&scene).await;
    tenants::organizations_never_see_each_other(&scene).await;
    versions::a_new_upload_replaces_the_old_one(&scene).await;
    versions::an_older_sequence_is_superseded(&scene).await;
    bad_inputs::bad_documents_hurt_only_themselves(&mut scene).await;
    command_line::commands_work_against_the_cluster(&scene);
    http::documents_go_in_and_are_found_by_http(&mut scene).await;
    jobs::a_job_can_be_followed_and_explained(&scene).await;
    jobs::a_search_sees_what_its_receipt_promised(&scene).await;
    jobs::a_waiting_job_says_where_and_can_be_cancelled(&mut scene).await;
    deletes::unchanged_chunks_keep_their_vectors(&scene).await;
    deletes::a_deletion_leaves_nothing_and_what_follows_is_found(&scene).await;
    deletes::a_deletion_obeys_the_uploaders_order(&scene).await;
    deletes::a_purge_empties_an_org_and_no_other(&scene).await;
    deletes::the_commands_delete_and_say_how_much(&scene).await;
    dead_letters::dead_letters_are_seen_explained_tried_again_and_removed(&scene).await;
    keeper::an_index_is_brought_in_line_with_its_source(&scene).await;
    keeper::a_purged_queue_loses_nothing(&mut scene).await;
    outages::work_goes_on_after_the_broker_died(&mut scene).await;
    outages::readiness_names_the_store_while_it_is_away(&mut scene).await;
    shutdown::a_stop_drains_and_loses_nothing(&mut scene).await;
}

/// Redelivery and retries are quicker than in production, so that a scenario waits seconds for them.
async fn start(topology: Topology) -> Scene {
    let config = ClusterConfig::new(topology)
        .variable("HEIMDEX_ACK_WAIT", "5s")
        .variable("HEIMDEX_BACKOFF_BASE", "200ms")
        .variable("HEIMDEX_BREAKER_CAP", "1s");
    let cluster = Cluster::with(&keeper::with_settings(bad_inputs::with_limits(config)));
    let client = Client::connect(cluster.nats_url()).await;
    Scene { topology, cluster, client }
}
