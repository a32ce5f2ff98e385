//! Traces over OTLP, as a collector receives them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::process::Ended;
use crate::support::rig::{PASSWORD, Rig};

/// A collector that takes everything.
struct Collector {
    address: String,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&bodies);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(&stream);
                let mut length = 0;
                let mut lines = Vec::new();
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap_or(0) <= 2 {
                        break;
                    }
                    if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    lines.push(line);
                }
                assert!(lines[0].starts_with("POST /v1/traces "), "{lines:?}");
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                taken.lock().unwrap().push(body);
                let _ = write!(&stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            }
        });
        Self { address, bodies }
    }

    fn bytes(&self) -> Vec<u8> {
        self.bodies.lock().unwrap().concat()
    }

    fn spans(&self) -> Vec<Span> {
        let bodies = self.bodies.lock().unwrap();
        let resources = bodies.iter().flat_map(|body| message(body).get_all(1));
        let scopes = resources.flat_map(|resource| message(&resource).get_all(2));
        scopes.flat_map(|scope| message(&scope).get_all(2)).map(|span| Span::read(&span)).collect()
    }
}

/// The fields of a protobuf message that have a length: texts, bytes and messages.
#[derive(Default)]
struct Message(BTreeMap<u64, Vec<Vec<u8>>>);

impl Message {
    fn get_all(&self, field: u64) -> Vec<Vec<u8>> {
        self.0.get(&field).cloned().unwrap_or_default()
    }

    fn get(&self, field: u64) -> Vec<u8> {
        self.get_all(field).pop().unwrap_or_default()
    }

    fn text(&self, field: u64) -> String {
        String::from_utf8(self.get(field)).unwrap()
    }
}

fn message(mut bytes: &[u8]) -> Message {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let end = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        let (number, rest) = bytes.split_at(end);
        *bytes = rest;
        number.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f))
    }
    let mut read = Message::default();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let length = match tag & 7 {
            0 => {
                varint(&mut bytes);
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut bytes)).unwrap(),
            5 => 4,
            kind => panic!("no wire type: {kind}"),
        };
        let (value, rest) = bytes.split_at(length);
        bytes = rest;
        if tag & 7 == 2 {
            read.0.entry(tag >> 3).or_default().push(value.to_vec());
        }
    }
    read
}

#[derive(Debug)]
struct Span {
    id: Vec<u8>,
    parent: Vec<u8>,
    name: String,
    attributes: BTreeMap<String, String>,
}

impl Span {
    fn read(bytes: &[u8]) -> Self {
        let span = message(bytes);
        let attribute = |pair: Vec<u8>| {
            let pair = message(&pair);
            (pair.text(1), message(&pair.get(2)).text(1))
        };
        let attributes = span.get_all(9).into_iter().map(attribute).collect();
        Self { id: span.get(2), parent: span.get(4), name: span.text(5), attributes }
    }
}

async fn rotate(rig: &mut Rig, endpoint: &str) -> Ended {
    rig.environment.insert("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), endpoint.to_owned());
    rig.run(&["rotate"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_sees_passes_with_their_rotations_with_their_requests_and_no_secret() {
    let mut rig = Rig::sized(2).await;
    let collector = Collector::start();
    rig.set("log", "level", "\"warn\"");
    let ended = rotate(&mut rig, &collector.address).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(ended.stderr, "", "what traces need is not in the log");

    let spans = collector.spans();
    let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let [pass] = named("pass")[..] else { panic!("one pass: {spans:#?}") };
    let rotations = named("rotation");
    assert_eq!(rotations.len(), 2);
    for rotation in rotations {
        assert_eq!(rotation.parent, pass.id);
        let secret = rig.secret(&rotation.attributes["project_id"]).await;
        assert_eq!(secret["rotation_id"], rotation.attributes["rotation_id"]);
        let requests = spans.iter().filter(|span| span.name == "request" && span.parent == rotation.id);
        let mut asked: Vec<_> = requests
            .map(|span| (span.attributes["server"].as_str(), span.attributes["operation"].as_str()))
            .collect();
        asked.sort_unstable();
        let expected = [
            ("exceptionless", "check_key"),
            ("exceptionless", "create_key"),
            ("vault", "mark"),
            ("vault", "publish"),
        ];
        assert_eq!(asked, expected);
    }
    assert!(spans.iter().any(|span| span.name == "request" && span.parent == pass.id), "the listings");

    let bytes = collector.bytes();
    let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("service.name") && has("exceptionless-rotator"));
    let secret_id = std::fs::read_to_string(rig.corner.secret_id_file()).unwrap();
    let own = rig.projects().into_iter().flat_map(|project| rig.own_keys(&project));
    let logins =
        rig.emulator.state(|state| state.logins().iter().map(|login| login.id.clone()).collect::<Vec<_>>());
    let secrets: Vec<String> = own.chain(logins).chain([secret_id, PASSWORD.to_owned()]).collect();
    assert!(secrets.len() >= 5);
    for secret in secrets.into_iter().chain(rig.emulator.issued_secrets()) {
        assert!(!has(&secret), "a trace has a secret");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_the_traces_and_nothing_else() {
    let mut rig = Rig::sized(1).await;
    let ended = rotate(&mut rig, "http://127.0.0.1:1").await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let lost = ended.lines().into_iter().filter(|line| line["event"] == "traces.lost").collect::<Vec<_>>();
    let [lost] = &lost[..] else { panic!("{lost:?}") };
    assert!(lost["message"].as_str().unwrap().contains("check OTEL_EXPORTER_OTLP_ENDPOINT"), "{lost}");
    let ended = rotate(&mut rig, "nowhere").await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.events().contains(&"traces.lost".to_owned()), "{ended:?}");
}
