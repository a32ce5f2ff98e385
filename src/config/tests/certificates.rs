//! The files with certificates: who names them, and where they are looked up.

use super::*;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nhunter2MARKER\n-----END PRIVATE KEY-----\n";

fn desk() -> Desk {
    let desk = Desk::new();
    desk.write("client.crt", CERTIFICATE);
    desk.write("client.key", KEY);
    desk
}

fn pair(desk: &Desk, toml: &str, environment: &[(&str, &str)]) -> Option<[PathBuf; 2]> {
    let certificate = desk.good(toml, environment).config.vault.client_certificate;
    certificate.map(|ClientCertificate { cert_file, key_file }| [cert_file, key_file])
}

fn with(desk: &Desk, lines: &str) -> String {
    desk.with("vault", lines)
}

#[test]
fn a_client_certificate_is_looked_up_as_secrets_are() {
    let desk = desk();
    let toml = with(&desk, "client_cert_file = \"client.crt\"\nclient_key_file = \"client.key\"");
    let beside = ["client.crt", "client.key"].map(|name| desk.path(name));
    assert_eq!(pair(&desk, &toml, &[]), Some(beside.clone()));
    assert_eq!(pair(&desk, GOOD, &[]), None);

    let credentials = TempDir::new().expect("a folder");
    fs::write(credentials.path().join("client.key"), KEY).expect("a credential");
    let folder = credentials.path().display().to_string();
    let found = pair(&desk, &toml, &[("CREDENTIALS_DIRECTORY", &folder)]);
    assert_eq!(found, Some([beside[0].clone(), credentials.path().join("client.key")]));

    let [cert, key] = beside.clone().map(|path| path.display().to_string());
    let cli = [("VAULT_CLIENT_CERT", cert.as_str()), ("VAULT_CLIENT_KEY", key.as_str())];
    assert_eq!(pair(&desk, GOOD, &cli), Some(beside.clone()));
    let own = [("ROTATOR__VAULT__CLIENT_CERT_FILE", "client.crt"), ("VAULT_CLIENT_KEY", key.as_str())];
    assert_eq!(pair(&desk, GOOD, &own), Some(beside));
}

#[test]
fn half_a_pair_and_what_is_none_are_refused_without_a_word_of_the_key() {
    let desk = desk();
    desk.write("secret.key", &KEY.replace("PRIVATE", "ENCRYPTED PRIVATE"));
    desk.write("old.key", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nhunter2MARKER\n");
    let line = KEY.replace('\n', "\\n");
    let rows = [
        ("client_cert_file = \"client.crt\"", "vault.client_cert_file", "has no use without client_key_file"),
        ("client_key_file = \"client.key\"", "vault.client_key_file", "has no use without client_cert_file"),
        ("client_cert_file = \"client.key\"", "vault.client_cert_file", "holds no PEM certificate"),
        ("client_key_file = \"client.crt\"", "vault.client_key_file", "holds no PEM private key"),
        ("client_key_file = \"secret.key\"", "vault.client_key_file", "is encrypted"),
        ("client_key_file = \"old.key\"", "vault.client_key_file", "is encrypted"),
        ("client_key_file = \"absent\"", "vault.client_key_file", "no file of that name"),
        ("client_key_file = 7", "vault.client_key_file", "is a whole number, not text"),
        (&format!("client_key_file = \"{line}\""), "vault.client_key_file", "the name is not repeated"),
        (&format!("client_cert_file = \"{line}\""), "vault.client_cert_file", "the name is not repeated"),
    ];
    for (line, key, words) in rows {
        let problems = desk.problems(&with(&desk, line), &[]);
        let [problem] = problems.as_slice() else { panic!("{line}: {problems:#?}") };
        assert_eq!(problem.key, key, "{line}");
        assert!(problem.to_string().contains(words), "{line}: {problem}");
        assert!(!format!("{problem:?}").contains("hunter2MARKER"), "{problem}");
    }
}
