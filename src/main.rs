//! Keeps the API keys of Exceptionless projects fresh in HashiCorp Vault or OpenBao.

fn main() {}
