//! What tests are made of: whole sites and services, publishers and viewers, networks that fail. A dev-dependency only.

pub mod clamd;
pub mod minio;
pub mod mongo;
pub mod proxy;
pub mod rtmp;
pub mod s3;
pub mod services;
pub mod socket;
pub mod stack;
pub mod viewer;
