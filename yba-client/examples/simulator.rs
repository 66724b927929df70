//! Serves a simulated YugabyteDB Anywhere, and prints how to reach it as environment lines.
//!
//! ```text
//! cargo run -p yba-client --features simulator --example simulator -- 127.0.0.1:9000
//! ```
//!
//! The address may be left out; so may everything. `--task-seconds N` sets how long a backup takes
//! (default 10).

use std::{error::Error, time::Duration};

use yba_client::{ExposeSecret, simulator::Simulator};

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the lines are the program's result")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (mut listen, mut seconds) = ("127.0.0.1:9000".to_owned(), 10);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--task-seconds" => seconds = arguments.next().ok_or("--task-seconds needs a number")?.parse()?,
            flag if flag.starts_with('-') => return Err(format!("unknown option {flag}").into()),
            address => address.clone_into(&mut listen),
        }
    }
    let yba =
        Simulator::builder().listen(listen).task_duration(Duration::from_secs(seconds)).try_start().await?;
    println!("YBA_URL={}", yba.url());
    println!("YBA_CUSTOMER_UUID={}", yba.customer());
    // What the backup service of this workspace reads, with the four below.
    println!("YBA_FULL_BACKUP_URL={}/api/v1/customers/{}/backups", yba.url(), yba.customer());
    println!("YBA_API_TOKEN={}", yba.token().expose_secret());
    println!("YBA_UNIVERSE_UUID={}", yba.universe());
    println!("YBA_STORAGE_CONFIG_UUID={}", yba.storage_config());
    std::future::pending::<()>().await;
    Ok(())
}
