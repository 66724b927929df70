//! The configuration as operators meet it: files, variables, flags, and everything that can be wrong with them.

mod assembly;
mod databases;
mod documents;
mod faults;
mod imports;
mod instances;
mod left_behind;
mod original_environment;
mod original_file;
mod precedence;
mod profiles;
mod robustness;
mod secrets;
mod spring_file;
mod strategies;
mod support;
mod warnings;
