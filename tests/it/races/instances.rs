//! Two instances that were given one path by mistake, and that begin at the same moment.

use std::path::PathBuf;

use serde_json::Value;

use crate::support::process::Ended;
use crate::support::proof;
use crate::support::rig::Rig;

const INSTANCES: [&str; 2] = ["first", "second"];

/// The configuration of an instance. The third project is the second instance's alone.
fn configure(rig: &mut Rig, instance: usize) -> PathBuf {
    let include = ["[\"Project 1\", \"Project 2\"]", "[\"*\"]"][instance];
    rig.set("rotation", "instance", &format!("\"{}\"", INSTANCES[instance]))
        .set("projects", "include", include);
    let file = rig.path(&format!("{}.toml", INSTANCES[instance]));
    std::fs::rename(rig.write_config(), &file).unwrap();
    file
}

/// Both at once.
async fn run(rig: &Rig, configs: &[PathBuf; 2], arguments: &[&str]) -> [Ended; 2] {
    let arguments = [&["rotate", "--output", "json"], arguments].concat();
    let [first, second] =
        configs.each_ref().map(|config| rig.command_with(config, &arguments).spawn().unwrap());
    let (first, second) = tokio::join!(first.wait_with_output(), second.wait_with_output());
    [Ended::from(first.unwrap()), Ended::from(second.unwrap())]
}

async fn owner(rig: &Rig, project: &str) -> usize {
    let secret = rig.secret(project).await;
    let said = secret["managed_by"].as_str().unwrap();
    let owner = INSTANCES.iter().position(|name| said.ends_with(&format!("instance={name}")));
    assert_eq!(rig.custom_metadata(project).await["managed_by"], said, "the mark outlives the version");
    owner.unwrap()
}

/// The live keys in a project of an instance.
fn keys(rig: &Rig, project: &str, instance: usize) -> usize {
    let marker = format!("instance={} ", INSTANCES[instance]);
    let keys = rig.emulator.live_keys(project).into_iter();
    keys.filter(|key| key.notes.as_deref().is_some_and(|notes| notes.contains(&marker))).count()
}

fn row<'a>(document: &'a Value, project: &str) -> &'a Value {
    let rows = document["projects"].as_array().unwrap();
    rows.iter().find(|row| row["project_id"] == project).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_instances_that_begin_at_once_on_one_path_one_owns_it_and_the_other_stops_there() {
    let rounds = proof::rounds(3, 40);
    let mut owned = [0, 0];
    let mut left_over = 0;
    for _ in 0..rounds {
        let mut rig = Rig::sized(3).await;
        let configs = [configure(&mut rig, 0), configure(&mut rig, 1)];
        let [one, two, own] = <[String; 3]>::try_from(rig.projects()).unwrap();
        for ended in run(&rig, &configs, &[]).await {
            assert!(ended.code == 0 || ended.code == 1, "{ended:?}");
        }

        let owners = [owner(&rig, &one).await, owner(&rig, &two).await];
        assert_eq!(owner(&rig, &own).await, 1);
        let mut before = Vec::new();
        for (project, owner) in [&one, &two].into_iter().zip(owners) {
            owned[owner] += 1;
            let other = keys(&rig, project, 1 - owner);
            assert!(other <= 1, "the loser mints once at most");
            left_over += other;
            let key = rig.key(project).await;
            assert!(rig.emulator.authenticates(&key));
            before.push((rig.version(project).await, other));
        }

        let ended = run(&rig, &configs, &["--all"]).await;
        for ((project, owner), (version, left)) in [&one, &two].into_iter().zip(owners).zip(before) {
            let documents = ended.each_ref().map(Ended::document);
            assert_eq!(row(&documents[owner], project)["outcome"], "published");
            let stopped = row(&documents[1 - owner], project);
            assert_eq!((&stopped["outcome"], &stopped["reason"]), (&"held".into(), &"conflict".into()));
            assert!(stopped["problem"].as_str().unwrap().contains(INSTANCES[owner]), "{stopped}");
            assert_eq!(ended[1 - owner].code, 1, "somebody must look");
            assert_eq!(rig.version(project).await, version + 1, "only the owner has written");
            assert_eq!(self::owner(&rig, project).await, owner);
            assert_eq!(keys(&rig, project, 1 - owner), left, "nothing is minted for a path of another");
        }
        assert_eq!(row(&ended[1].document(), &own)["outcome"], "published", "other projects go on");
    }
    println!(
        "{rounds} rounds: the instances came to own {owned:?} paths, {left_over} keys of the losers are left"
    );
}
