//! The parser of listings: a page of a hundred, as large as the server sends it.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark may panic, and nothing is public")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use exceptionless_emulator::{EMAIL, Emulator, PASSWORD, Settings, Switches};
use exceptionless_rotator::domain::ids::OrganizationId;
use exceptionless_rotator::exceptionless::{Organization, wire};
use tokio::runtime::Runtime;

fn listing(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    // Projects carry their usage, about 18 KB each.
    let switches = Switches { big_bodies: true, ..Switches::default() };
    let settings = Settings { organizations: 1, projects: 100, switches, ..Settings::default() };
    let emulator = runtime.block_on(Emulator::start(settings)).unwrap();
    let id = emulator.organizations().remove(0).id;
    let page = |what: &str| {
        let url = format!("{}/api/v2/organizations/{id}/{what}?limit=100", emulator.url());
        runtime.block_on(async {
            let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
            let answer = client.get(url).basic_auth(EMAIL, Some(PASSWORD)).send().await.unwrap();
            answer.bytes().await.unwrap()
        })
    };
    exceptionless_rotator::tls::install_provider();
    let (projects, keys) = (page("projects"), page("tokens"));
    let organization =
        Organization { id: OrganizationId::parse(&id).unwrap(), name: "Acme".into(), is_suspended: false };

    let mut group = criterion.benchmark_group("listing");
    group.throughput(Throughput::Bytes(projects.len() as u64));
    group.bench_function("100 projects with their usage", |bencher| {
        bencher.iter(|| assert_eq!(wire::projects(black_box(&projects), &organization), Some(100)));
    });
    group.throughput(Throughput::Bytes(keys.len() as u64));
    group.bench_function("100 keys", |bencher| {
        bencher.iter(|| assert_eq!(wire::keys(black_box(&keys)), Some(100)));
    });
    group.finish();
}

criterion_group!(benches, listing);
criterion_main!(benches);
