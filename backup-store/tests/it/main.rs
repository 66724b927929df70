//! The store against its contract, and against trouble.

#[cfg(test)]
mod backups;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod original;
#[cfg(test)]
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(test)]
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(test)]
mod unreadable;
#[cfg(test)]
mod words;
