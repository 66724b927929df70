//! `POST /backupProcess`: the original's request and answer.

mod answer;
mod request;

pub(crate) use self::{
    answer::{Answer, BackupProcessBody, in_shape},
    request::Asked,
};
