//! What the system does to the process: signals and limits, on the real binary.

use yba_client::simulator::{Endpoint, Outcome};

use crate::{
    binary::{OUR_TOKEN, Service, command, configure, known_yba},
    support::{PATIENCE, ask, http_client, read, until},
};

const IGNORED: [&str; 9] = ["HUP", "QUIT", "USR1", "USR2", "ALRM", "VTALRM", "PROF", "IO", "XFSZ"];

#[tokio::test]
async fn no_signal_but_the_two_ends_it_while_a_request_waits() {
    let folder = tempfile::tempdir().unwrap();
    let yba = known_yba().await;
    yba.hang_next_backup(&yba.universe());
    let config = configure(folder.path(), &yba);
    let service = Service::start(command(folder.path()).args(["--config", config.as_str()])).await;
    let call = http_client().post(format!("{}/backupProcess", service.url)).body(ask("NIGHTLY").to_string());
    let waiting = tokio::spawn(call.bearer_auth(OUR_TOKEN).header("prefer", "wait=60").send());
    until(async || yba.count(Endpoint::GetTask), |looks| *looks > 0).await;
    service.signal("PIPE");
    for signal in IGNORED {
        service.signal(signal);
        service.printed.line_with(&format!("\"signal\":\"SIG{signal}\"")).await;
    }
    let task = yba.tasks().remove(0).id;
    yba.finish_task(&task, Outcome::Success);
    let reply = read(waiting.await.unwrap().expect("an answer")).await;
    assert_eq!(reply.gist(), "200 COMPLETED -", "{reply:?}");
    service.signal("TERM");
    assert_eq!(service.end().await.0.code(), Some(0));
}

/// More clients than the process may have descriptors, each with an answer that it does not read.
#[tokio::test]
async fn clients_that_take_every_descriptor_keep_nobody_out() {
    backup_http::raise_descriptor_limit();
    let folder = tempfile::tempdir().unwrap();
    let yba = known_yba().await;
    let config = configure(folder.path(), &yba);
    let mut limited = command(folder.path());
    let binary = limited.as_std().get_program().to_owned();
    let mut shell = tokio::process::Command::new("/bin/sh");
    shell.args(["-c", "ulimit -n 256; exec \"$0\" --config \"$1\""]).arg(binary).arg(&config);
    shell.env_clear().current_dir(folder.path()).kill_on_drop(true);
    shell.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
    shell.stderr(std::process::Stdio::piped());
    limited = shell;
    let service = Service::start(&mut limited).await;
    let address = service.url.trim_start_matches("http://").to_owned();
    let mut silent = Vec::new();
    for nth in 0..400 {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        // A whole request, a part of one, nothing.
        let sent = ["GET /batches HTTP/1.1\r\nHost: x\r\n\r\n", "GET /batches HT", ""][nth % 3];
        tokio::io::AsyncWriteExt::write_all(&mut stream, sent.as_bytes()).await.unwrap();
        silent.push(stream);
    }
    let health = http_client().get(format!("{}/actuator/health", service.url)).send();
    let health = tokio::time::timeout(PATIENCE, health).await.expect("in time").expect("an answer");
    assert_eq!(health.status(), 200);
    let reply = service.process("wait=60").await;
    assert_eq!(reply.gist(), "200 COMPLETED -", "{reply:?}");
    service.signal("TERM");
    let (status, _, printed) = service.end().await;
    assert_eq!(status.code(), Some(0));
    let complaint = printed.iter().find(|line| line.contains("no connection can be accepted"));
    assert_eq!(complaint, None, "the limit fits the descriptors");
}
