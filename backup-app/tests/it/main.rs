//! The configuration as operators meet it: files, variables, flags, and everything that can be wrong with them.

mod assembly;
mod documents;
mod faults;
mod instances;
mod original_environment;
mod precedence;
mod robustness;
mod secrets;
mod spring_file;
mod strategies;
mod support;
mod warnings;
