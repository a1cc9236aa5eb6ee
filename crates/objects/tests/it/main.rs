//! The bucket's contract, held against every S3 server there is.

mod contract;
mod faults;
