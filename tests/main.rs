//! End to end: what Shelf promises, driven through the real binary, real PostgreSQL, RabbitMQ and Pulp,
//! real kubectl and a plain HTTP client. One file per promise.
//!
//! The promises run one after another on one server with its own data directory, because making
//! the images takes most of the time. A promise that fails does not stop the others. Run one:
//! `cargo test -p end-to-end -- NAME`. While working on one, `SHELF_TEST_IMAGES=FOLDER` starts with
//! a copy of the `images` folder of another server that has ended, which saves the building.

mod additions;
mod borrowed;
mod canvas;
mod catalogue;
mod data;
mod docker;
mod drills;
mod elsewhere;
mod examples;
mod files;
mod gitpush;
mod go;
mod handed;
mod inside;
mod kubernetes;
mod leave;
mod leftovers;
mod life;
mod load;
mod modules;
mod neighbours;
mod packs;
mod page;
mod pulp;
mod push;
mod refuse;
mod roll;
mod server;
mod taken;
mod targets;
mod transfer;
mod undo;
mod upgrade;
mod upstream;

use std::time::Instant;

use server::Server;

/// One promise: its name and what shows that it is kept.
type Promise = (&'static str, fn(&mut Server) -> anyhow::Result<()>);

const PROMISES: &[Promise] = &[
    ("a_wrong_app_is_refused_before_anything_starts", refuse::wrong_apps),
    ("a_port_that_is_taken_is_named", refuse::taken_port),
    ("a_second_server_on_the_same_data_is_refused", refuse::second_server),
    ("one_file_one_command_a_living_app", go::living_app),
    ("an_order_goes_through_database_and_broker", go::order),
    ("go_twice_changes_nothing", go::twice),
    ("the_command_line_looks_inside", go::look),
    ("a_browser_draws_edits_and_goes", canvas::works),
    ("a_browser_looks_inside", canvas::looks_inside),
    ("a_compose_file_comes_alive", transfer::compose),
    ("an_app_leaves_as_files_others_take", transfer::export),
    ("what_an_app_becomes_is_what_upstream_takes", upstream::taken),
    ("kubectl_sees_the_same", kubernetes::kubectl),
    ("kubectl_writes_too", kubernetes::writes),
    ("ports_of_a_block_are_brought_here", inside::ports),
    ("a_wire_is_opened_with_its_own_login", inside::clients),
    ("an_edit_rolls_without_a_failed_request", roll::edit),
    ("a_broken_edit_leaves_the_old_version_serving", roll::broken),
    ("a_killed_keeper_costs_one_pod_a_restart", drills::keeper_killed),
    ("a_killed_front_door_comes_back", drills::front_door_killed),
    ("a_full_disk_is_an_error_not_a_state", drills::full_disk),
    ("an_interrupted_go_carries_on", roll::interrupted),
    ("a_push_is_live_without_a_failed_request", push::live),
    ("a_broken_push_goes_back_by_itself", push::back),
    ("git_push_is_live_or_goes_back", gitpush::live),
    ("dev_pushes_on_every_save", push::dev),
    ("a_backup_brings_rows_and_passwords_back", data::backup),
    ("a_damaged_backup_changes_nothing", data::damaged),
    ("files_come_back_as_they_were", files::disks),
    ("a_copy_has_the_data_and_goes_its_own_way", data::copy),
    ("undo_brings_back_code_and_rows", data::undo),
    ("the_last_go_is_taken_back", undo::go),
    ("a_login_is_rotated_without_a_failed_request", data::rotate),
    ("a_login_at_another_app_goes_with_its_user", neighbours::leaves),
    ("modules_are_tried_and_leave_nothing", packs::trials),
    ("a_cancelled_trial_leaves_nothing", packs::cancelled),
    ("a_module_is_published_and_taken", packs::published),
    ("an_app_is_published_and_lives_elsewhere", handed::published),
    ("catalogues_are_looked_through_in_order_and_trusted_by_key", catalogue::used),
    ("an_image_of_a_registry_is_a_block_and_a_base", borrowed::blocks),
    ("a_namespace_becomes_an_app", taken::namespace),
    ("a_compose_file_of_images_comes_alive", taken::images),
    ("a_packed_app_lives_without_a_network", packs::offline),
    ("an_app_lives_on_another_cluster", targets::lives),
    ("an_app_moves_with_its_data_and_back", targets::moves),
    ("docker_builds_and_runs", docker::run),
    ("docker_is_refused_what_it_cannot_have", docker::refusals),
    ("docker_containers_outlive_the_server", docker::detached),
    ("a_killed_server_stops_nothing", life::killed_server),
    ("a_power_cut_loses_nothing", life::power_cut),
    ("stop_and_start_keep_the_data", life::stop_start),
    ("the_shelf_serves_every_wire", modules::wires),
    ("what_an_app_adds_takes_effect", additions::all),
    ("a_wire_has_no_more_than_its_own", modules::separate),
    ("a_login_rotates_without_a_gap", modules::rotate),
    ("a_module_keeps_what_it_was_given", modules::survive),
    ("a_backup_makes_a_fresh_app_the_same", modules::backup),
    ("an_upgrade_is_rehearsed_on_a_copy", upgrade::rehearsed),
    ("copies_follow_the_load", load::copies),
    ("the_examples_come_alive", examples::alive),
    ("destroy_keeps_the_data_until_told", leave::destroy),
    ("pulp_comes_alive", pulp::alive),
    ("pulp_serves_files_from_every_copy", pulp::files),
    ("pulp_copies_from_another_server", pulp::sync),
    ("pulp_is_upgraded_by_one_line", pulp::upgrade),
    ("pulp_keeps_its_secrets", pulp::secrets),
    ("pulp_is_a_registry", pulp::registry),
    ("pulp_gives_an_app_its_image", pulp::lends),
    ("pulp_workers_come_and_go_with_their_tasks_done", pulp::scale),
    ("pulp_lets_a_worker_end_its_task", pulp::worker_told),
    ("pulp_loses_a_copy_and_no_request", pulp::content_killed),
    ("pulp_makes_its_folder_again", pulp::folder_gone),
    ("pulp_lives_without_its_cache", pulp::cache_lost),
    ("pulp_outlives_the_server", pulp::daemon_killed),
    ("pulp_gets_over_a_lost_worker", pulp::worker_killed),
    ("pulp_gets_over_a_lost_database", pulp::database_killed),
    ("pulp_gets_over_a_power_cut", pulp::power_cut),
    ("pulp_goes_elsewhere_with_its_data", pulp::elsewhere),
    ("pulp_is_destroyed_by_its_name", pulp::end),
    ("nothing_is_left_behind", leave::nothing),
];

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let chosen: Vec<&Promise> = PROMISES
        .iter()
        .filter(|(name, _)| {
            wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()))
        })
        .collect();
    println!("\nrunning {} tests", chosen.len());
    let mut server = match Server::new() {
        Ok(server) => server,
        Err(error) => {
            println!("the server for the tests cannot be started: {error:#}");
            std::process::exit(101);
        }
    };
    let began = Instant::now();
    let mut failed = Vec::new();
    for (name, promise) in &chosen {
        let start = Instant::now();
        let result = promise(&mut server);
        let seconds = start.elapsed().as_secs_f64();
        match result {
            Ok(()) => println!("test {name} ... ok ({seconds:.1} s)"),
            Err(error) => {
                println!("test {name} ... FAILED ({seconds:.1} s)\n    {error:#}");
                println!("{}", server.troubles());
                failed.push(*name);
            }
        }
    }
    if !failed.is_empty() {
        println!("\nthe server's last lines:\n{}", server.log_tail(60));
        println!("failures:\n    {}", failed.join("\n    "));
    }
    server.end();
    let passed = chosen.len() - failed.len();
    let word = if failed.is_empty() { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {passed} passed; {} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        failed.len(),
        PROMISES.len() - chosen.len(),
        began.elapsed().as_secs_f64()
    );
    if !failed.is_empty() {
        std::process::exit(101);
    }
}
