//! Reads as much of fragmented MP4 (ISO/IEC 14496-12) as rules ask for. Never trusts a length.

/// `sample_is_non_sync_sample` (8.8.3.1).
const NON_SYNC: u32 = 0x0001_0000;
/// More samples in one run are a fault, not media.
const SAMPLES_MAX: u32 = 100_000;

/// A box's kind and content.
type Entry<'a> = ([u8; 4], &'a [u8]);

/// Boxes side by side, as far as they are whole; the second says whether all are.
fn boxes(mut bytes: &[u8]) -> (Vec<Entry<'_>>, bool) {
    let mut list = Vec::new();
    while !bytes.is_empty() {
        let (Some(size), Some(kind)) = (u32_at(bytes, 0), bytes.get(4..8)) else { return (list, false) };
        let (head, size) = match size {
            0 => (8, bytes.len()),
            1 => (16, u64_at(bytes, 8).and_then(|size| usize::try_from(size).ok()).unwrap_or(0)),
            size => (8, size as usize),
        };
        let (Some(content), Ok(kind)) = (bytes.get(head..size), kind.try_into()) else { return (list, false) };
        list.push((kind, content));
        bytes = &bytes[size..];
    }
    (list, true)
}

fn child<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(bytes, |bytes, kind| {
        boxes(bytes).0.into_iter().find(|(found, _)| found == *kind).map(|(_, content)| content)
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// A track of an initialisation section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Track {
    pub id: u32,
    pub timescale: u32,
    pub is_video: bool,
    default_duration: u32,
    default_flags: u32,
}

/// An initialisation section.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Init {
    pub tracks: Vec<Track>,
}

impl Init {
    /// Nothing when there is no track.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let moov = child(bytes, &[b"moov"])?;
        let mut tracks: Vec<Track> = boxes(moov).0.into_iter().filter_map(|entry| track(&entry)).collect();
        if let Some(mvex) = child(moov, &[b"mvex"]) {
            for (_, trex) in boxes(mvex).0.into_iter().filter(|(kind, _)| kind == b"trex") {
                let (Some(id), Some(duration), Some(flags)) = (u32_at(trex, 4), u32_at(trex, 12), u32_at(trex, 20))
                else {
                    continue;
                };
                if let Some(track) = tracks.iter_mut().find(|track| track.id == id) {
                    (track.default_duration, track.default_flags) = (duration, flags);
                }
            }
        }
        (!tracks.is_empty()).then_some(Self { tracks })
    }

    pub fn track(&self, id: u32) -> Option<&Track> {
        self.tracks.iter().find(|track| track.id == id)
    }
}

fn track((kind, trak): &Entry<'_>) -> Option<Track> {
    if kind != b"trak" {
        return None;
    }
    let tkhd = child(trak, &[b"tkhd"])?;
    let id = u32_at(tkhd, if tkhd.first() == Some(&1) { 20 } else { 12 })?;
    let mdhd = child(trak, &[b"mdia", b"mdhd"])?;
    let timescale = u32_at(mdhd, if mdhd.first() == Some(&1) { 20 } else { 12 })?;
    let is_video = child(trak, &[b"mdia", b"hdlr"])?.get(8..12) == Some(b"vide");
    Some(Track { id, timescale, is_video, ..Track::default() })
}

/// One track's samples in one `moof`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fragment {
    pub track: u32,
    /// `baseMediaDecodeTime`.
    pub decode_time: u64,
    pub duration: u64,
    pub begins_with_key: bool,
    pub has_key: bool,
}

/// What a segment or part holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fragments {
    pub list: Vec<Fragment>,
    /// Why it is not whole.
    pub fault: Option<&'static str>,
}

impl Fragments {
    pub fn read(bytes: &[u8], init: &Init) -> Self {
        let (top, is_whole) = boxes(bytes);
        let mut read = Self { fault: (!is_whole).then_some("the last box is cut off"), ..Self::default() };
        let mut is_waiting = false;
        for (kind, content) in &top {
            match kind {
                b"moof" if is_waiting => read.fault = Some("a moof without its mdat"),
                b"moof" => {
                    is_waiting = true;
                    for (_, traf) in boxes(content).0.iter().filter(|(kind, _)| kind == b"traf") {
                        match fragment(traf, init) {
                            Some(fragment) => read.list.push(fragment),
                            None => read.fault = Some("a traf that cannot be read"),
                        }
                    }
                }
                b"mdat" => is_waiting = false,
                _ => {}
            }
        }
        if is_waiting {
            read.fault = read.fault.or(Some("a moof without its mdat"));
        } else if read.list.is_empty() {
            read.fault = read.fault.or(Some("no moof"));
        }
        read
    }
}

/// Contents of all `mdat`, one after the other.
pub fn media_bytes(bytes: &[u8]) -> Vec<u8> {
    boxes(bytes).0.iter().filter(|(kind, _)| kind == b"mdat").flat_map(|(_, content)| content.iter().copied()).collect()
}

fn fragment(traf: &[u8], init: &Init) -> Option<Fragment> {
    let tfhd = child(traf, &[b"tfhd"])?;
    let track = u32_at(tfhd, 4)?;
    let known = init.track(track).copied().unwrap_or_default();
    let flags = u32_at(tfhd, 0)? & 0x00ff_ffff;
    let mut at = 8 + if flags & 0x1 != 0 { 8 } else { 0 } + if flags & 0x2 != 0 { 4 } else { 0 };
    let mut next = |is_there: bool, default: u32| {
        if !is_there {
            return Some(default);
        }
        at += 4;
        u32_at(tfhd, at - 4)
    };
    let default_duration = next(flags & 0x8 != 0, known.default_duration)?;
    next(flags & 0x10 != 0, 0)?;
    let default_flags = next(flags & 0x20 != 0, known.default_flags)?;
    let tfdt = child(traf, &[b"tfdt"])?;
    let is_long = tfdt.first() == Some(&1);
    let decode_time = if is_long { u64_at(tfdt, 4)? } else { u64::from(u32_at(tfdt, 4)?) };
    let mut read = Fragment { track, decode_time, ..Fragment::default() };
    let mut is_first = true;
    for (_, trun) in boxes(traf).0.iter().filter(|(kind, _)| kind == b"trun") {
        run(trun, (default_duration, default_flags), &mut is_first, &mut read)?;
    }
    Some(read)
}

/// Adds the samples of one `trun` (8.8.8).
fn run(
    trun: &[u8],
    (default_duration, default_flags): (u32, u32),
    is_first: &mut bool,
    read: &mut Fragment,
) -> Option<()> {
    let flags = u32_at(trun, 0)? & 0x00ff_ffff;
    let count = u32_at(trun, 4).filter(|count| *count <= SAMPLES_MAX)?;
    let mut at = 8 + if flags & 0x1 != 0 { 4 } else { 0 };
    let mut first_flags = None;
    if flags & 0x4 != 0 {
        first_flags = Some(u32_at(trun, at)?);
        at += 4;
    }
    for index in 0..count {
        let mut next = |bit: u32, default: u32| {
            if flags & bit == 0 {
                return Some(default);
            }
            at += 4;
            u32_at(trun, at - 4)
        };
        let duration = next(0x100, default_duration)?;
        next(0x200, 0)?;
        let own = next(0x400, default_flags)?;
        next(0x800, 0)?;
        let sample_flags = first_flags.filter(|_| index == 0).unwrap_or(own);
        let is_key = sample_flags & NON_SYNC == 0;
        read.begins_with_key |= is_key && *is_first;
        read.has_key |= is_key;
        read.duration = read.duration.saturating_add(u64::from(duration));
        *is_first = false;
    }
    Some(())
}

/// Builders of small files, for tests of rules.
#[cfg(test)]
pub(crate) mod build {
    pub fn entry(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let mut bytes = (content.len() as u32 + 8).to_be_bytes().to_vec();
        bytes.extend_from_slice(kind);
        bytes.extend_from_slice(content);
        bytes
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// One video track with 1,000 ticks a second.
    pub fn init() -> Vec<u8> {
        let tkhd = entry(b"tkhd", &words(&[0, 0, 0, 1, 0, 0]));
        let mdhd = entry(b"mdhd", &words(&[0, 0, 0, 1_000, 0, 0]));
        let hdlr = entry(b"hdlr", &[&words(&[0, 0])[..], b"vide", &words(&[0, 0, 0])].concat());
        let mdia = entry(b"mdia", &[mdhd, hdlr].concat());
        let trak = entry(b"trak", &[tkhd, mdia].concat());
        let trex = entry(b"trex", &words(&[0, 1, 1, 0, 0, 0]));
        entry(b"moov", &[trak, entry(b"mvex", &trex)].concat())
    }

    /// `samples` of 100 ms from `decode_time` on; the first is a key frame if asked.
    pub fn fragment(track: u32, decode_time: u32, samples: u32, is_key: bool, media: &[u8]) -> Vec<u8> {
        let tfhd = entry(b"tfhd", &words(&[0x28, track, 100, super::NON_SYNC]));
        let tfdt = entry(b"tfdt", &words(&[0, decode_time]));
        let first = if is_key { 0 } else { super::NON_SYNC };
        let trun = entry(b"trun", &words(&[0x4, samples, first]));
        let moof = entry(b"moof", &entry(b"traf", &[tfhd, tfdt, trun].concat()));
        [moof, entry(b"mdat", media)].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_says_when_and_how_long() {
        let init = Init::read(&build::init()).expect("an init");
        assert_eq!((init.tracks[0].id, init.tracks[0].timescale, init.tracks[0].is_video), (1, 1_000, true));
        let read = Fragments::read(&build::fragment(1, 500, 3, true, b"abc"), &init);
        let wanted = Fragment { track: 1, decode_time: 500, duration: 300, begins_with_key: true, has_key: true };
        assert_eq!((read.list.as_slice(), read.fault), (&[wanted][..], None));
    }

    #[test]
    fn every_cut_and_every_flipped_byte_is_survived() {
        let bytes = [build::init(), build::fragment(1, 0, 2, true, b"media")].concat();
        let init = Init::read(&bytes).expect("an init");
        for end in 0..bytes.len() {
            let _ = (Init::read(&bytes[..end]), Fragments::read(&bytes[..end], &init));
        }
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0xff;
            let _ = (Init::read(&bytes), Fragments::read(&bytes, &init), media_bytes(&bytes));
        }
    }
}
