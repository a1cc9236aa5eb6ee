//! Pictures one below the other in a single JPEG, made of their own JPEGs without decoding any.
//!
//! Each picture's coded data becomes one restart interval of the strip (ITU-T T.81 B.2.4.4, E.1.4): the marker between two
//! pictures resets what a decoder carries from block to block, so data that began a file may follow other data. It needs
//! pictures of one size with the same tables, which is what one encoder with one quality gives.

use bytes::Bytes;

/// Tallest strip: what the picture memory of a phone's graphics chip takes in one piece.
const HEIGHT_MAX: usize = 4_096;
/// Larger pictures are no tiles.
const SIDE_MAX: u16 = 1_024;

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOF0: u8 = 0xc0;
const DHT: u8 = 0xc4;
const JPG: u8 = 0xc8;
const DAC: u8 = 0xcc;
const SOF15: u8 = 0xcf;
const RST0: u8 = 0xd0;
const SOS: u8 = 0xda;
const DRI: u8 = 0xdd;

/// Why a file cannot become a part of a strip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    #[error("it is no JPEG, or is cut short")]
    Malformed,
    #[error("it is a JPEG of a kind that strips are not made of")]
    Unsupported,
}

/// One picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    pub width: u16,
    pub height: u16,
    /// Rows it takes in the strip: its height up to the next whole block.
    pub step: u16,
    /// Everything up to and including the scan's header, of which a strip changes the height at this offset and has one
    /// more segment before this one.
    head: Bytes,
    height_at: usize,
    scan_at: usize,
    /// Blocks that make up the picture (minimum coded units, T.81 A.2.3).
    units: u16,
    scan: Bytes,
}

impl Tile {
    /// Takes a baseline JPEG of one scan without restart intervals apart.
    pub fn parse(jpeg: &Bytes) -> Result<Self, TileError> {
        let file = jpeg.as_ref();
        if file.get(..2) != Some(&[0xff, SOI]) {
            return Err(TileError::Malformed);
        }
        let (mut at, mut frame) = (2, None);
        loop {
            let [0xff, marker, high, low] = *file.get(at..at + 4).ok_or(TileError::Malformed)? else {
                return Err(TileError::Malformed);
            };
            let length = usize::from(u16::from_be_bytes([high, low]));
            let payload = file.get(at + 4..at + 2 + length.max(2)).ok_or(TileError::Malformed)?;
            if length < 2 {
                return Err(TileError::Malformed);
            }
            match marker {
                SOF0 if frame.is_none() => frame = Some((at, Frame::parse(payload)?)),
                DHT => {}
                SOF0..=SOF15 if marker != JPG && marker != DAC => return Err(TileError::Unsupported),
                DRI => return Err(TileError::Unsupported),
                SOS => {
                    let (frame_at, frame) = frame.ok_or(TileError::Malformed)?;
                    // One scan with all components.
                    if payload.first() != Some(&frame.components) {
                        return Err(TileError::Unsupported);
                    }
                    let end = at + 2 + length;
                    let scan = jpeg.slice(end..scan_end(file, end)?);
                    return Ok(Self {
                        width: frame.width,
                        height: frame.height,
                        step: frame.step,
                        head: jpeg.slice(..end),
                        height_at: frame_at + 5,
                        scan_at: at,
                        units: frame.units,
                        scan,
                    });
                }
                // Tables and remarks.
                0xdb | 0xe0..=0xef | 0xfe => {}
                _ => return Err(TileError::Unsupported),
            }
            at += 2 + length;
        }
    }
}

/// Where the coded data ends: at the file's end marker, before which there may be no other marker.
fn scan_end(file: &[u8], begin: usize) -> Result<usize, TileError> {
    let mut bytes = file.iter().enumerate().skip(begin);
    while let Some((at, byte)) = bytes.next() {
        if *byte == 0xff {
            match bytes.next() {
                Some((_, 0)) => {}
                Some((_, &EOI)) if at > begin => return Ok(at),
                Some(_) => return Err(TileError::Unsupported),
                None => return Err(TileError::Malformed),
            }
        }
    }
    Err(TileError::Malformed)
}

struct Frame {
    width: u16,
    height: u16,
    step: u16,
    units: u16,
    components: u8,
}

impl Frame {
    /// T.81 B.2.2.
    fn parse(payload: &[u8]) -> Result<Self, TileError> {
        let [8, h1, h0, w1, w0, components, rest @ ..] = payload else { return Err(TileError::Unsupported) };
        let (height, width) = (u16::from_be_bytes([*h1, *h0]), u16::from_be_bytes([*w1, *w0]));
        let is_sane = (1..=SIDE_MAX).contains(&width) && (1..=SIDE_MAX).contains(&height);
        if !is_sane || rest.len() != usize::from(*components) * 3 {
            return Err(TileError::Unsupported);
        }
        // A single component's blocks are not grouped, whatever its factors say (A.2.2).
        let factors = || rest.iter().skip(1).step_by(3);
        let (across, down) = match components {
            1 => (1, 1),
            3 => {
                let largest = |of: fn(&u8) -> u8| factors().map(of).max().unwrap_or(0);
                (largest(|factor| factor >> 4), largest(|factor| factor & 15))
            }
            _ => return Err(TileError::Unsupported),
        };
        if !(1..=4).contains(&across) || !(1..=4).contains(&down) {
            return Err(TileError::Malformed);
        }
        let (block_width, block_height) = (u16::from(across) * 8, u16::from(down) * 8);
        let rows = height.div_ceil(block_height);
        Ok(Self {
            width,
            height,
            step: rows * block_height,
            // At most 128 times 128.
            units: width.div_ceil(block_width) * rows,
            components: *components,
        })
    }
}

/// Pictures that go together.
#[derive(Debug, Clone)]
pub struct Strip {
    first: Tile,
    scans: Vec<Bytes>,
}

impl Strip {
    pub fn new(first: Tile) -> Self {
        let scans = vec![first.scan.clone()];
        Self { first, scans }
    }

    /// Adds a picture below the others. Gives it back when it is of another kind or there is no room for it.
    pub fn push(&mut self, tile: Tile) -> Option<Tile> {
        let height = (self.scans.len() + 1) * usize::from(self.first.step);
        if tile.head != self.first.head || height > HEIGHT_MAX {
            return Some(tile);
        }
        self.scans.push(tile.scan);
        None
    }

    pub fn len(&self) -> usize {
        self.scans.len()
    }

    /// There is always one.
    pub fn is_empty(&self) -> bool {
        self.scans.is_empty()
    }

    /// Width and height of each picture, and rows from one to the next.
    pub fn tile_size(&self) -> (u16, u16, u16) {
        (self.first.width, self.first.height, self.first.step)
    }

    /// All of them as one JPEG.
    pub fn jpeg(&self) -> Vec<u8> {
        let Tile { head, height_at, scan_at, step, units, .. } = &self.first;
        let mut out = Vec::with_capacity(head.len() + 8 + self.scans.iter().map(|scan| scan.len() + 2).sum::<usize>());
        out.extend_from_slice(&head[..*scan_at]);
        let height = u16::try_from(self.scans.len() * usize::from(*step)).unwrap_or(u16::MAX);
        out[*height_at..*height_at + 2].copy_from_slice(&height.to_be_bytes());
        out.extend_from_slice(&[0xff, DRI, 0, 4]);
        out.extend_from_slice(&units.to_be_bytes());
        out.extend_from_slice(&head[*scan_at..]);
        for (number, scan) in (0_u8..8).cycle().zip(&self.scans) {
            out.extend_from_slice(scan);
            out.extend_from_slice(&[0xff, RST0 + number]);
        }
        // Nothing follows the last one.
        out.truncate(out.len() - 2);
        out.extend_from_slice(&[0xff, EOI]);
        out
    }
}

#[cfg(test)]
mod tests {
    use image::codecs::jpeg::JpegEncoder;
    use image::{GrayImage, Luma, Rgb, RgbImage};
    use proptest::prelude::*;

    use super::*;

    fn tile(size: (u32, u32), colour: [u8; 3]) -> Bytes {
        let mut out = Vec::new();
        // Not one colour, so that data of several blocks depends on what was before.
        let picture = RgbImage::from_fn(size.0, size.1, |x, _| Rgb(colour.map(|c| c.saturating_add((x % 8) as u8))));
        JpegEncoder::new_with_quality(&mut out, 80).encode_image(&picture).expect("it encodes");
        out.into()
    }

    fn parsed(jpeg: &Bytes) -> Tile {
        Tile::parse(jpeg).expect("a tile")
    }

    #[test]
    fn every_picture_of_a_strip_decodes_to_what_it_was_alone() {
        let colours: Vec<[u8; 3]> = (0..20).map(|n| [n * 12, 240 - n * 12, 100]).collect();
        let files: Vec<Bytes> = colours.iter().map(|colour| tile((160, 90), *colour)).collect();
        let mut strip = Strip::new(parsed(&files[0]));
        for file in &files[1..] {
            assert_eq!(strip.push(parsed(file)), None);
        }
        let (width, height, step) = strip.tile_size();
        assert_eq!((width, height, step % 8, strip.len()), (160, 90, 0, 20));
        let whole = image::load_from_memory(&strip.jpeg()).expect("it decodes").to_rgb8();
        assert_eq!(whole.dimensions(), (160, u32::from(step) * 20));
        for (number, file) in (0..).zip(&files) {
            let alone = image::load_from_memory(file).expect("it decodes").to_rgb8();
            let part = image::imageops::crop_imm(&whole, 0, number * u32::from(step), 160, 90).to_image();
            assert_eq!(part, alone, "picture {number}");
        }
    }

    #[test]
    fn grey_pictures_and_odd_sizes_work_too() {
        let grey = |level: u8| {
            let mut out = Vec::new();
            let picture = GrayImage::from_pixel(91, 161, Luma([level]));
            JpegEncoder::new_with_quality(&mut out, 80).encode_image(&picture).expect("it encodes");
            Bytes::from(out)
        };
        let mut strip = Strip::new(parsed(&grey(10)));
        assert_eq!(strip.push(parsed(&grey(200))), None);
        assert_eq!(strip.tile_size(), (91, 161, 168));
        let whole = image::load_from_memory(&strip.jpeg()).expect("it decodes").to_luma8();
        assert!(whole.get_pixel(45, 80).0[0].abs_diff(10) < 4 && whole.get_pixel(45, 168 + 80).0[0].abs_diff(200) < 4);
    }

    #[test]
    fn another_size_or_quality_and_what_has_no_room_is_given_back() {
        let mut strip = Strip::new(parsed(&tile((160, 90), [1, 2, 3])));
        assert!(strip.push(parsed(&tile((160, 120), [1, 2, 3]))).is_some());
        let mut other = Vec::new();
        let picture = RgbImage::new(160, 90);
        JpegEncoder::new_with_quality(&mut other, 50).encode_image(&picture).expect("it encodes");
        assert!(strip.push(parsed(&other.into())).is_some());
        let same = parsed(&tile((160, 90), [9, 9, 9]));
        while strip.push(same.clone()).is_none() {
            assert!(strip.len() <= 64);
        }
        assert!(strip.len() * usize::from(same.step) <= HEIGHT_MAX);
    }

    #[test]
    fn what_is_no_plain_jpeg_is_refused() {
        let good = tile((160, 90), [1, 2, 3]);
        assert_eq!(Tile::parse(&Bytes::from_static(b"GIF89a")), Err(TileError::Malformed));
        for cut in 0..good.len() {
            assert!(Tile::parse(&good.slice(..cut)).is_err(), "cut at {cut}");
        }
        let mut restarts = good.to_vec();
        restarts.splice(2..2, [0xff, DRI, 0, 4, 0, 5]);
        assert_eq!(Tile::parse(&restarts.into()), Err(TileError::Unsupported));
        let mut progressive = good.to_vec();
        let at = good.windows(2).position(|pair| pair == [0xff, SOF0]).expect("a frame header");
        progressive[at + 1] = 0xc2;
        assert_eq!(Tile::parse(&progressive.into()), Err(TileError::Unsupported));
    }

    proptest! {
        #[test]
        fn any_damage_is_an_error_or_a_strip_of_bounded_size(at in 0_usize..900, byte: u8) {
            let mut file = tile((160, 90), [1, 2, 3]).to_vec();
            let at = at % file.len();
            file[at] = byte;
            let length = file.len();
            if let Ok(tile) = Tile::parse(&file.into()) {
                prop_assert!(Strip::new(tile).jpeg().len() <= length + 6);
            }
        }
    }
}
