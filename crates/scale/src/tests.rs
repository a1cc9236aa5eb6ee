//! The scaler against what is right, what another one makes, and every small size.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use super::*;

type Size = (usize, usize);

fn scaled(from: Size, to: Size, strides: (usize, usize), pixel: impl Fn(usize, usize) -> u8) -> Vec<u8> {
    let mut source = vec![255; strides.0 * from.1];
    for row in 0..from.1 {
        for column in 0..from.0 {
            source[row * strides.0 + column] = pixel(column, row);
        }
    }
    let mut target = vec![9; strides.1 * to.1];
    let mut scaler = PlaneScaler::new(from, to).expect("sizes");
    scaler.scale((&source, strides.0), (&mut target, strides.1)).expect("scaled");
    target
}

/// Something with edges and slopes everywhere.
fn texture(column: usize, row: usize) -> u8 {
    let wave = (column as f64 / 9.0).sin() * (row as f64 / 7.0).cos() * 90.0;
    let block = if (column / 24 + row / 24).is_multiple_of(2) { 30.0 } else { -30.0 };
    (128.0 + wave + block) as u8
}

#[test]
fn a_ramp_stays_a_ramp_and_what_lies_between_rows_is_left_alone() {
    let luma = scaled((1_282, 721), (854, 480), (1_344, 856), |column, _| (column / 6) as u8);
    for row in [0, 239, 479] {
        for column in (3..851).step_by(7) {
            let expected = column as f64 * 1_282.0 / 854.0 / 6.0;
            let found = f64::from(luma[row * 856 + column]);
            assert!((found - expected).abs() <= 1.5, "{found} for {expected} at {column},{row}");
        }
        assert_eq!(luma[row * 856 + 854..][..2], [9, 9]);
    }
}

#[test]
fn every_pixel_counts_where_the_step_is_large() {
    // Columns of black and white: a scaler that passes pixels over would give one or the other.
    for to in [(160, 90), (320, 180), (250, 140), (90, 50)] {
        let luma = scaled((640, 360), to, (640, to.0), |column, _| if column % 2 == 0 { 0 } else { 200 });
        assert!(luma.iter().all(|value| (60..=140).contains(value)), "{to:?}: {:?}", &luma[..16]);
        let mean = luma.iter().map(|value| f64::from(*value)).sum::<f64>() / luma.len() as f64;
        assert!((mean - 100.0).abs() < 3.0, "{to:?}: {mean}");
    }
}

/// The same as a library that computes with more bits, within what bits of the weights can do.
#[test]
fn it_agrees_with_another_scaler() {
    for (from, to) in [
        ((1_280, 720), (854, 480)),
        ((854, 480), (640, 360)),
        ((640, 360), (427, 240)),
        ((97, 61), (53, 37)),
        ((720, 576), (854, 480)),
    ] {
        let ours = scaled(from, to, (from.0, to.0), texture);
        let source: Vec<u8> = (0..from.0 * from.1).map(|at| texture(at % from.0, at / from.0)).collect();
        let size = |size: Size| (size.0 as u32, size.1 as u32);
        let (width, height) = size(from);
        let image = TypedImageRef::<U8>::from_buffer(width, height, &source).expect("a picture");
        let mut theirs = vec![0; to.0 * to.1];
        let (width, height) = size(to);
        let mut target = TypedImage::<U8>::from_buffer(width, height, &mut theirs).expect("a picture");
        let how = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        Resizer::new().resize_typed(&image, &mut target, &how).expect("scaled");
        drop(target);
        let differences: Vec<i32> =
            ours.iter().zip(&theirs).map(|(ours, theirs)| (i32::from(*ours) - i32::from(*theirs)).abs()).collect();
        assert!(differences.iter().all(|difference| *difference <= 3), "{from:?} {:?}", differences.iter().max());
        let mean = f64::from(differences.iter().sum::<i32>()) / differences.len() as f64;
        assert!(mean < 0.6, "{from:?}: {mean}");
    }
}

#[test]
fn with_and_without_the_processors_help_it_is_the_same_picture() {
    for (from, to) in [
        ((1_280, 720), (854, 480)),
        ((1_279, 719), (640, 361)),
        ((19, 19), (11, 13)),
        ((9, 40), (8, 21)),
        ((30, 40), (52, 21)),
    ] {
        let source: Vec<u8> = (0..from.0 * from.1).map(|at| ((at * 7_919) >> 3) as u8).collect();
        let target = Shape { width: to.0, height: to.1, stride: to.0 };
        let kernel = || Kernel::new(from, to);
        let run = |mut kernel: Kernel| {
            let mut picture = vec![0; to.0 * to.1];
            kernel.run(&source, from.0, &mut picture, target);
            picture
        };
        assert_eq!(run(kernel()), run(kernel().plain()), "{from:?} to {to:?}");
    }
}

/// No size makes it read or write beside a plane.
#[test]
fn small_and_odd_sizes() {
    for width in 1..24 {
        for height in [1, 2, 3, 7, 16] {
            for to_width in 1..=width + 9 {
                for to_height in 1..=height {
                    let (from, to) = ((width, height), (to_width, to_height));
                    let plain = scaled(from, to, (width + 3, to_width + 1), |_, _| 77);
                    for row in plain.chunks(to_width + 1) {
                        assert!(row[..to_width].iter().all(|value| *value == 77), "{from:?} to {to:?}: {row:?}");
                        assert_eq!(row[to_width], 9);
                    }
                }
            }
        }
    }
}

#[test]
fn planes_that_are_not_all_there_are_refused() {
    assert!(PlaneScaler::new((64, 0), (65, 64)).is_none());
    assert!(PlaneScaler::new((64, 64), (0, 64)).is_none());
    let mut scaler = PlaneScaler::new((64, 64), (40, 40)).expect("sizes");
    let mut target = vec![0; 40 * 40];
    assert!(scaler.scale((&[0; 64 * 63], 64), (&mut target, 40)).is_err());
    assert!(scaler.scale((&[0; 64 * 64], 63), (&mut target, 40)).is_err());
    assert!(scaler.scale((&[0; 64 * 64], 64), (&mut target[..40 * 40 - 1], 40)).is_err());
    assert!(scaler.scale((&[0; 64 * 64], 64), (&mut target, usize::MAX)).is_err());
    assert!(scaler.scale((&[0; 64 * 64], 64), (&mut target, 40)).is_ok());
}
