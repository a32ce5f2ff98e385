//! What a rotation costs, by counting: a change that makes it dearer is seen here, whatever else the machine does.

use exceptionless_emulator::Settings;
use exceptionless_rotator::config::Config;
use exceptionless_rotator::engine::{Engine, Request};
use exceptionless_rotator::plan::Asked;
use exceptionless_rotator::traffic::Traffic;
use tokio_util::sync::CancellationToken;

use crate::support::rig::Rig;

/// What one more project adds to a pass that rotates it: what was measured, and a tenth.
const ALLOCATIONS: i64 = 480;
/// Measured between 1,160 and 2,010, as it comes to how many large answers are there at once.
const PEAK_BYTES: i64 = 3_000;

/// The allocations of a pass that replaces every key, and the most bytes that it held at once.
async fn cost(projects: usize) -> (i64, i64) {
    let settings = Settings { organizations: 1, projects, ..Settings::default() };
    let rig = Rig::with(settings).await;
    let file = rig.write_config();
    let pass = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let config = Config::load(Some(&file), [].into_iter(), chrono::Utc::now()).unwrap().config;
        let engine = Engine::new(&config, &Traffic::default()).unwrap();
        let request = Request { asked: Asked::Rotation, ..Request::default() };
        let pass = || runtime.block_on(engine.pass(&request, &CancellationToken::new())).unwrap().published();
        assert_eq!(pass(), projects);
        // The second one replaces, over connections that are there.
        let info = allocation_counter::measure(|| assert_eq!(pass(), projects));
        (i64::try_from(info.count_total).unwrap(), i64::try_from(info.bytes_max).unwrap())
    };
    // The servers work on other threads, and only this one's allocations are counted.
    tokio::task::spawn_blocking(pass).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_more_project_costs_a_bounded_number_of_allocations_and_bytes() {
    let (few, many) = (cost(50).await, cost(150).await);
    let (allocations, bytes) = ((many.0 - few.0) / 100, (many.1 - few.1) / 100);
    println!("one more project: {allocations} allocations, {bytes} bytes at the peak");
    assert!(allocations <= ALLOCATIONS, "{allocations} allocations");
    assert!(bytes <= PEAK_BYTES, "{bytes} bytes");
}
