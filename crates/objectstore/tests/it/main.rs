//! The store, asked by Amazon's own client over a socket, and looked at on disk.

mod full_disk;
mod listing;
mod parts;
mod reading;
mod site;
mod writing;
