//! The ways to the servers: proxies, sockets, and a name that is not in the address.

use super::*;

/// The proxies of both servers, as they are shown.
fn proxies(toml: &str, environment: &[(&str, &str)]) -> [String; 2] {
    let Config { exceptionless, vault, .. } = Desk::new().good(toml, environment).config;
    [exceptionless.proxy, vault.proxy].map(|proxy| proxy.map(|proxy| proxy.to_string()).unwrap_or_default())
}

#[test]
fn each_server_has_the_proxy_of_its_scheme_unless_it_is_an_exception() {
    let https = ("HTTPS_PROXY", "http://proxy.example:3128");
    let through = "http://proxy.example:3128 ($HTTPS_PROXY)";
    let plain = GOOD.replace("https://vault", "http://vault");
    let here = GOOD.replace("vault.example.com", "127.0.0.1");
    let six = GOOD.replace("vault.example.com", "[fd00::1]");
    let no = |text| [https, ("NO_PROXY", text)];
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], [&'a str; 2]);
    let rows: &[Row<'_>] = &[
        (GOOD, &[], ["", ""]),
        (GOOD, &[https], [through, through]),
        (GOOD, &[("https_proxy", "proxy.example:80")], ["http://proxy.example:80 ($https_proxy)"; 2]),
        (GOOD, &[("ALL_PROXY", "https://proxy.example")], ["https://proxy.example ($ALL_PROXY)"; 2]),
        (GOOD, &[("HTTP_PROXY", "http://proxy.example")], ["", ""]),
        (&plain, &[("HTTP_PROXY", "http://proxy.example")], ["", "http://proxy.example ($HTTP_PROXY)"]),
        (&here, &[https], [through, ""]),
        (&here.replace("127.0.0.1", "localhost"), &[https], [through, ""]),
        (&here.replace("127.0.0.1", "[::1]"), &[https], [through, ""]),
        (GOOD, &no("*"), ["", ""]),
        (GOOD, &no("vault.example.com"), [through, ""]),
        (GOOD, &no("elsewhere, .example.com"), [through, ""]),
        (GOOD, &no("*.example.com"), [through, ""]),
        (GOOD, &no("example.com:8200"), [through, ""]),
        (GOOD, &no("example.com:443"), [through, through]),
        (GOOD, &no("le.com"), [through, through]),
        (&here.replace("127.0.0.1", "10.1.2.3"), &no("10.0.0.0/8"), [through, ""]),
        (&six, &no("fd00::/8"), [through, ""]),
        (&six, &no("[fd00::1]:8200"), [through, ""]),
        (&six, &no("[fd00::1]"), [through, ""]),
        (&six, &no("fd00::1"), [through, ""]),
        (&six, &no("[fd00::1]:443"), [through, through]),
    ];
    for (toml, environment, expected) in rows {
        assert_eq!(proxies(toml, environment), *expected, "{environment:?}");
    }
}

#[test]
fn a_proxy_for_vault_alone_has_no_exception() {
    let own = ("VAULT_PROXY_ADDR", "http://own.example:1");
    let older = ("VAULT_HTTP_PROXY", "http://older.example:2");
    let shown = "http://own.example:1 ($VAULT_PROXY_ADDR)";
    let here = GOOD.replace("vault.example.com", "127.0.0.1");
    for toml in [GOOD, &here] {
        assert_eq!(proxies(toml, &[own, older, ("NO_PROXY", "*")]), ["", shown]);
        assert_eq!(proxies(toml, &[older]), ["", "http://older.example:2 ($VAULT_HTTP_PROXY)"]);
    }
}

#[test]
fn the_password_of_a_proxy_is_never_shown() {
    let marker = "hunter2MARKER";
    for text in [format!("http://user:{marker}@proxy.example"), format!("{marker}@proxy.example")] {
        let loaded = Desk::new().good(GOOD, &[("HTTPS_PROXY", &text)]);
        let said = format!("{loaded:?} {}", loaded.effective);
        assert!(said.contains("http://proxy.example ($HTTPS_PROXY)"), "{said}");
        assert!(!said.contains(marker), "{said}");
    }
    let wrong = [
        (format!("socks5://user:{marker}@proxy.example:1080"), "names a SOCKS proxy"),
        (format!("http://user:{marker} 2@proxy.example"), "is not the address of a proxy"),
        (format!("ftp://user:{marker}@proxy.example"), "is not the address of a proxy"),
        (format!("http://user:hunter2@{marker}@proxy.example:3128"), "is not the address of a proxy"),
        (format!("user:hunter2@{marker}@proxy.example:3128"), "is not the address of a proxy"),
        (format!("http://user:12345/{marker}@proxy.example:3128"), "is not the address of a proxy"),
        (format!("http://{marker}:12345?2@proxy.example:3128"), "is not the address of a proxy"),
        (format!("http://{marker}:12345#2@proxy.example:3128"), "is not the address of a proxy"),
        (format!("http:/{marker}"), "is not the address of a proxy"),
    ];
    for (text, words) in wrong {
        let problems = Desk::new().problems(GOOD, &[("HTTPS_PROXY", &text)]);
        // It is said once, and not once for each server.
        let [problem] = problems.as_slice() else { panic!("{text}: {problems:#?}") };
        let said = format!("{problem} {problem:?}");
        assert!(said.starts_with("environment variable HTTPS_PROXY: ") && said.contains(words), "{said}");
        assert!(!said.contains(marker), "{said}");
    }
}

#[test]
fn a_socket_is_named_by_its_whole_path_and_leads_past_proxies() {
    let desk = Desk::new();
    let with = |address: &str| desk.with("vault", &format!("address = \"{address}\""));
    let proxy = [("HTTP_PROXY", "http://proxy.example"), ("VAULT_PROXY_ADDR", "http://proxy.example")];
    for address in ["unix:///run/vault/agent.sock", "unix:/run/vault/agent.sock"] {
        let loaded = desk.good(&with(address), &proxy);
        assert_eq!(loaded.config.vault.socket, Some("/run/vault/agent.sock".into()));
        assert!(loaded.config.vault.proxy.is_none());
        assert_eq!(loaded.warnings, [""; 0]);
        let shown = "address = \"unix:///run/vault/agent.sock\"";
        assert!(loaded.effective.to_string().contains(shown), "{}", loaded.effective);
    }
    let silent = GOOD.replace("address =", "# address =");
    let loaded = desk.good(&silent, &[("VAULT_ADDR", "unix:///run/bao.sock")]);
    assert_eq!(loaded.config.vault.socket, Some("/run/bao.sock".into()));

    let long = format!("unix:///{}", "a".repeat(107));
    for (address, words) in [
        ("unix://run/agent.sock", "by its whole path"),
        ("unix://", "by its whole path"),
        ("unix:///run/vault/", "by its whole path"),
        (&long, "by more than 107 bytes"),
    ] {
        let problems = desk.problems(&with(address), &[]);
        let [problem] = problems.as_slice() else { panic!("{address}: {problems:#?}") };
        assert_eq!(problem.key, "vault.address");
        assert!(problem.to_string().contains(words), "{problem}");
    }
}

#[test]
fn the_name_in_the_certificate_is_a_host_name_and_needs_a_straight_way() {
    let desk = Desk::new();
    let with = |name: &str| desk.with("vault", &format!("tls_server_name = \"{name}\""));
    let name = |toml: &str, environment: &[(&str, &str)]| {
        desk.good(toml, environment).config.vault.tls_server_name.unwrap_or_default()
    };
    assert_eq!(name(&with("Vault.internal"), &[]), "vault.internal");
    assert_eq!(name(GOOD, &[("VAULT_TLS_SERVER_NAME", "vault.internal")]), "vault.internal");
    for wrong in ["10.0.0.1", "vault:8200", "https://vault", "a b", "*.example.com/"] {
        let problems = desk.problems(&with(wrong), &[]);
        let [problem] = problems.as_slice() else { panic!("{wrong}: {problems:#?}") };
        assert!(problem.to_string().contains("is not a host name"), "{problem}");
    }
    let proxy = [("HTTPS_PROXY", "http://proxy.example"), ("NO_PROXY", "api.exceptionless.com")];
    let problems = desk.problems(&with("vault.internal"), &proxy);
    let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
    let words = "cannot be used over the proxy http://proxy.example ($HTTPS_PROXY)";
    assert!(problem.to_string().contains(words), "{problem}");
}

#[test]
fn what_is_asked_for_in_vain_is_said() {
    let desk = Desk::new();
    for (value, warned) in [("1", true), ("true", true), ("0", false), ("false", false)] {
        let warnings = desk.good(GOOD, &[("VAULT_SKIP_VERIFY", value)]).warnings;
        assert_eq!(warnings.iter().any(|text| text.contains("VAULT_SKIP_VERIFY is ignored")), warned);
    }
    let plain = GOOD.replace("https://vault.example.com", "http://localhost");
    let warnings = desk.good(&plain, &[("VAULT_TLS_SERVER_NAME", "vault.internal")]).warnings;
    let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
    assert!(warning.contains("vault.tls_server_name has no use"), "{warning}");
}
