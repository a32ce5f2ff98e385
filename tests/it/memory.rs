//! What a look into the memory of the daemon finds: no password, and no key but those of its last answers.
//!
//! The look needs the right to trace other processes (root, in most places), because the daemon forbids it to others.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use crate::support::process::Process;
use crate::support::rig::{PASSWORD, Rig};

const PROJECTS: usize = 3;

/// The last answers stay in the read buffers of the open connections: listings, with the keys of the last passes.
const IN_BUFFERS: usize = 4 * PROJECTS;

/// How often each of the secrets stands in the writable memory of a process.
fn occurrences(process: &Process, secrets: &[String]) -> Vec<usize> {
    let folder = format!("/proc/{}", process.id());
    let maps = std::fs::read_to_string(format!("{folder}/maps"))
        .expect("the right to look into other processes: run this test as root");
    let mut memory = File::open(format!("{folder}/mem")).unwrap();
    let mut counts = vec![0; secrets.len()];
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16).unwrap());
        let mut region = Vec::new();
        memory.seek(SeekFrom::Start(start)).unwrap();
        // Some special regions cannot be read.
        if Read::by_ref(&mut memory).take(end - start).read_to_end(&mut region).is_err() {
            continue;
        }
        // Most of it is zeros.
        for page in region.chunk_by(|_, next| *next != 0).filter(|page| page.len() > 8) {
            for (count, secret) in counts.iter_mut().zip(secrets) {
                *count += page.windows(secret.len()).filter(|window| *window == secret.as_bytes()).count();
            }
        }
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_of_a_daemon_at_rest_holds_no_key_that_was_revoked_some_passes_ago() {
    let mut rig = Rig::sized(PROJECTS).await;
    rig.set("rotation", "schedule", "\"* * * * * *\"").set("rotation", "overlap", "\"1s\"");
    rig.set("log", "level", "\"info\"");
    let mut daemon = rig.daemon();
    daemon.until("key.retired", 8 * PROJECTS).await;
    rig.set("rotation", "schedule", "\"0 3 1 1 *\"");
    rig.write_config();
    daemon.signal("HUP");
    daemon.until("daemon.reloaded", 1).await;
    let published = daemon.count("key.published");
    daemon.until("key.retired", published - PROJECTS).await;

    let revoked: Vec<String> = rig.emulator.revocations().into_iter().map(|one| one.key.id).collect();
    let counts = occurrences(&daemon, &revoked);
    println!("how often each key is found, from the oldest to the newest: {counts:?}");
    let secret_id = std::fs::read_to_string(rig.path("secret-id")).unwrap();
    assert_eq!(occurrences(&daemon, &[PASSWORD.to_owned(), secret_id]), [0, 0]);
    let [address] = occurrences(&daemon, &[rig.emulator.url()])[..] else {
        unreachable!("one was asked for")
    };
    assert!(address > 0, "what the daemon does remember is not found");
    let (over, recent) = counts.split_at(counts.len() - IN_BUFFERS);
    assert!(over.len() >= IN_BUFFERS && over.iter().all(|times| *times == 0), "{over:?} {recent:?}");
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, 0);
}
