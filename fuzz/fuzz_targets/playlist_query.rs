//! Any query of a live playlist: what is handed down is part of it, holds no directive and is understood alike again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::playlist::directives::Directives;

fuzz_target!(|text: &str| {
    let Ok(directives) = Directives::parse(Some(text)) else { return };
    for query in [&directives.for_playlists, &directives.for_media] {
        assert!(query.len() <= text.len());
        assert!(query.split('&').all(|argument| !argument.starts_with("_HLS_") && text.contains(argument)));
    }
    // What was handed down is understood alike, and asks for nothing by itself.
    let child = Directives::parse(Some(&directives.for_playlists)).expect("it is shorter than what was accepted");
    assert_eq!((child.target, child.skip), (None, false));
    assert_eq!(child.for_playlists, directives.for_playlists);
});
