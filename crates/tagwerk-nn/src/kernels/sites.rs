//! Which pixels of a picture are computed: those that may differ from the empty picture's.
//!
//! A jet image of 1,600 pixels has some 40 that are not zero, and a sequence of 100 constituents ends after 47 on
//! average. What a convolution makes of the others does not depend on the jet: it is what it makes of the empty
//! picture. So a batch is rows again: each picture's own pixels, one after the other, and after all of them the empty
//! picture, once. Nothing is left out and nothing is approximated: a pixel that is not a picture's own has the empty
//! picture's value, and normalizations and means count it as often as it occurs. Every layer widens the own pixels by
//! the reach of its kernel. Sparse convolutions of computer vision (Graham, van der Maaten, arXiv:1706.01307) take such
//! pixels to be zero; behind a bias, a normalization or the border they are not.

use super::sparse::SparseMatrix;

/// No pixel: beyond the border.
pub const OUTSIDE: u32 = u32::MAX;

/// How a window moves over a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Height and width of the window.
    pub size: [usize; 2],
    /// Step between windows.
    pub stride: [usize; 2],
    /// Rows and columns added on either side.
    pub padding: [usize; 2],
}

impl Window {
    /// Height and width of the output; 0 where the window is larger than the padded input.
    pub fn output(&self) -> [usize; 2] {
        [0, 1].map(|d| {
            let padded = self.input[d] + 2 * self.padding[d];
            match padded.checked_sub(self.size[d]) {
                Some(rest) => rest / self.stride[d] + 1,
                None => 0,
            }
        })
    }

    /// Input pixels a picture.
    pub fn input_pixels(&self) -> usize {
        self.input[0] * self.input[1]
    }

    /// Output pixels a picture.
    pub fn output_pixels(&self) -> usize {
        let [h, w] = self.output();
        h * w
    }

    /// Places in the window, `K`.
    pub fn places(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Whether every output pixel is made of the input pixel of the same number alone.
    pub fn is_point(&self) -> bool {
        self.size == [1, 1] && self.stride == [1, 1] && self.padding == [0, 0]
    }

    /// The input pixel under each place of the window of each output pixel, `[H' W', K]`, or [`OUTSIDE`].
    pub fn inputs(&self) -> Vec<u32> {
        let [height, width] = self.output();
        let mut pixels = Vec::with_capacity(height * width * self.places());
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            for (ky, kx) in (0..self.size[0]).flat_map(|ky| (0..self.size[1]).map(move |kx| (ky, kx))) {
                let along = |d: usize, at: usize, k: usize| {
                    let position = at * self.stride[d] + k;
                    position.checked_sub(self.padding[d]).filter(|&p| p < self.input[d])
                };
                let pixel = along(0, y, ky).zip(along(1, x, kx));
                pixels.push(pixel.map_or(OUTSIDE, |(y, x)| (y * self.input[1] + x) as u32));
            }
        }
        pixels
    }

    /// The output pixel whose window has each input pixel under each of its places, `[H W, K]`, or [`OUTSIDE`].
    pub fn outputs(&self) -> Vec<u32> {
        let k = self.places();
        let mut outputs = vec![OUTSIDE; self.input_pixels() * k];
        for (pixel, inputs) in self.inputs().chunks_exact(k.max(1)).enumerate() {
            for (place, &input) in inputs.iter().enumerate().filter(|(_, input)| **input != OUTSIDE) {
                outputs[input as usize * k + place] = pixel as u32;
            }
        }
        outputs
    }
}

/// The rows of a batch of `B` pictures of `P` pixels: their own pixels, `R` rows, then the empty picture, `P` rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sites {
    size: [usize; 2],
    /// `[B + 2]`: where each picture's rows begin; the empty picture is the last.
    offsets: Vec<usize>,
    /// Pixel of each row, rising within a picture, `[R + P]`.
    pixels: Vec<u32>,
    /// Row of each pixel of each picture, the empty one last, `[B + 1, P]`.
    rows: Vec<u32>,
    /// How many pictures share each pixel of the empty picture, `[P]`.
    shared: Vec<u32>,
}

impl Sites {
    /// From a mark for each pixel of each picture, `[B, P]`, that says whether it is the picture's own.
    ///
    /// `None` if the marks are not whole pictures, or there are more than 2^32 of them.
    pub fn new(size: [usize; 2], own: &[bool]) -> Option<Self> {
        let p = size[0].checked_mul(size[1]).filter(|&p| p > 0)?;
        if !own.len().is_multiple_of(p) || u32::try_from(own.len() + p).is_err() {
            return None;
        }
        let count = own.iter().filter(|&&own| own).count();
        let (mut offsets, mut pixels) = (vec![0], Vec::with_capacity(count + p));
        let mut rows = Vec::with_capacity(own.len() + p);
        let mut shared = vec![0u32; p];
        for own in own.chunks_exact(p) {
            for (pixel, &own) in own.iter().enumerate() {
                if own {
                    rows.push(pixels.len() as u32);
                    pixels.push(pixel as u32);
                } else {
                    rows.push((count + pixel) as u32);
                    shared[pixel] += 1;
                }
            }
            offsets.push(pixels.len());
        }
        rows.extend((count..count + p).map(|row| row as u32));
        pixels.extend(0..p as u32);
        offsets.push(count + p);
        Some(Self {
            size,
            offsets,
            pixels,
            rows,
            shared,
        })
    }

    /// Of pictures `[B, P, C]`: their own are the pixels with a value that is not zero.
    pub fn nonzero(size: [usize; 2], channels: usize, values: &[f32]) -> Option<Self> {
        let own: Vec<bool> = values
            .chunks_exact(channels.max(1))
            .map(|pixel| pixel.iter().any(|&v| v != 0.0))
            .collect();
        Self::new(size, &own)
    }

    /// Of sequences that end after the given numbers of rows, in pictures `[1, length]`.
    pub fn leading(length: usize, counts: impl IntoIterator<Item = usize>) -> Option<Self> {
        let own: Vec<bool> = counts
            .into_iter()
            .flat_map(|n| (0..length).map(move |i| i < n))
            .collect();
        Self::new([1, length], &own)
    }

    /// The pixels that a window makes of these: own where one of its inputs is.
    ///
    /// `None` if the window is for pictures of another size, or larger than they are.
    pub fn through(&self, window: &Window) -> Option<Self> {
        let (k, p) = (window.places(), window.output_pixels());
        if window.input != self.size || p == 0 {
            return None;
        }
        let outputs = window.outputs();
        let mut own = vec![false; self.len() * p];
        for (b, own) in own.chunks_exact_mut(p).enumerate() {
            for &pixel in &self.pixels[self.offsets[b]..self.offsets[b + 1]] {
                for &output in &outputs[pixel as usize * k..][..k] {
                    if output != OUTSIDE {
                        own[output as usize] = true;
                    }
                }
            }
        }
        Self::new(window.output(), &own)
    }

    /// The same pictures with every pixel within `reach` rows and columns of an own one their own as well.
    ///
    /// Layers that read and write the same sites, so that their results can be added, need room for what they reach.
    /// `None` if there is no room for that many.
    pub fn widened(&self, reach: [usize; 2]) -> Option<Self> {
        // Beyond the border nothing is reached.
        let reach = [0, 1].map(|d| reach[d].min(self.size[d]));
        self.through(&Window {
            input: self.size,
            size: reach.map(|r| 2 * r + 1),
            stride: [1, 1],
            padding: reach,
        })
    }

    /// Height and width of a picture.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Pixels a picture, `P`.
    pub fn pixels(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Number of pictures, `B`, without the empty one.
    pub fn len(&self) -> usize {
        self.offsets.len() - 2
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows of the pictures' own pixels, `R`; the empty picture follows them.
    pub fn own(&self) -> usize {
        self.offsets[self.len()]
    }

    /// All rows, `R + P`.
    pub fn row_count(&self) -> usize {
        self.pixels.len()
    }

    /// `[B + 2]`: where each picture's rows begin; the empty picture is the last.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// Pixel of each row, `[R + P]`.
    pub fn pixel_of_row(&self) -> &[u32] {
        &self.pixels
    }

    /// Rows of picture `b`'s pixels, `[P]`, its own or the empty picture's; `b = B` is the empty picture.
    pub fn picture(&self, b: usize) -> &[u32] {
        &self.rows[b * self.pixels()..(b + 1) * self.pixels()]
    }

    /// How many pictures share each pixel of the empty picture, `[P]`.
    pub fn shared(&self) -> &[u32] {
        &self.shared
    }

    /// The matrix that writes out all pixels of all pictures, `[B P, R + P]`.
    pub fn expansion(&self) -> SparseMatrix {
        let rows = self.rows[..self.len() * self.pixels()].to_vec();
        let selection = SparseMatrix::selection(rows, self.row_count());
        // Every row is below the number of rows by construction.
        selection.unwrap_or_else(|| unreachable!("a row beyond the last"))
    }

    /// The matrix that averages over all pixels of each picture, `[B, R + P]`.
    pub fn average(&self) -> SparseMatrix {
        let p = self.pixels();
        let offsets: Vec<usize> = (0..=self.len()).map(|b| b * p).collect();
        let rows = self.rows[..self.len() * p].to_vec();
        let weights = vec![1.0 / p as f32; rows.len()];
        let matrix = SparseMatrix::new(&offsets, rows, Some(weights), self.row_count());
        // As above.
        matrix.unwrap_or_else(|| unreachable!("a row beyond the last"))
    }

    /// Row of each pixel of each picture, the empty one last, `[B + 1, P]`.
    pub(crate) fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// Place of each row among all pixels of all pictures, `[R + P]` of `[B + 1, P]`.
    pub(crate) fn places(&self) -> Vec<i32> {
        let p = self.pixels();
        (0..=self.len())
            .flat_map(|b| (self.offsets[b]..self.offsets[b + 1]).map(move |row| (b, row)))
            .map(|(b, row)| (b * p + self.pixels[row] as usize) as i32)
            .collect()
    }

    /// The values of pictures `[B, P, C]` at the own pixels, and zeros for the empty picture, `[R + P, C]`.
    ///
    /// # Panics
    /// If the values are not those of `B` pictures: a bug in the caller.
    pub fn gather(&self, channels: usize, values: &[f32]) -> Vec<f32> {
        assert_eq!(values.len(), self.len() * self.pixels() * channels);
        let mut rows = Vec::with_capacity(self.row_count() * channels);
        for b in 0..self.len() {
            for &pixel in &self.pixels[self.offsets[b]..self.offsets[b + 1]] {
                let at = (b * self.pixels() + pixel as usize) * channels;
                rows.extend_from_slice(&values[at..at + channels]);
            }
        }
        rows.resize(self.row_count() * channels, 0.0);
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(size: usize, stride: usize, padding: usize, input: [usize; 2]) -> Window {
        Window {
            input,
            size: [size; 2],
            stride: [stride; 2],
            padding: [padding; 2],
        }
    }

    #[test]
    fn inputs_and_outputs_of_a_window_are_the_same_pairs() {
        for window in [
            square(3, 1, 1, [4, 5]),
            square(4, 1, 1, [6, 5]),
            square(3, 2, 1, [5, 5]),
            square(7, 2, 3, [2, 3]),
            square(1, 2, 0, [5, 4]),
        ] {
            let k = window.places();
            let pairs = |table: Vec<u32>| -> Vec<(u32, usize, u32)> {
                let row = |(at, &other): (usize, &u32)| ((at / k) as u32, at % k, other);
                table.iter().enumerate().map(row).filter(|p| p.2 != OUTSIDE).collect()
            };
            let by_output = pairs(window.inputs());
            let mut by_input: Vec<_> = pairs(window.outputs()).into_iter().map(|(i, k, o)| (o, k, i)).collect();
            by_input.sort_unstable();
            assert_eq!(by_output, by_input, "{window:?}");
        }
    }

    #[test]
    fn a_window_reaches_what_it_touches_and_no_more() {
        // One pixel in the corner of the first picture, none in the second.
        let mut own = vec![false; 2 * 16];
        own[0] = true;
        let sites = Sites::new([4, 4], &own).unwrap();
        assert_eq!(
            (sites.own(), sites.row_count(), sites.shared()[0], sites.shared()[1]),
            (1, 17, 1, 2)
        );
        let wide = sites.through(&square(3, 1, 1, [4, 4])).unwrap();
        assert_eq!(wide.pixel_of_row()[..wide.own()], [0, 1, 4, 5]);
        assert_eq!(wide, sites.widened([1, 1]).unwrap());
        let half = wide.through(&square(2, 2, 0, [4, 4])).unwrap();
        assert_eq!(half.pixel_of_row()[..half.own()], [0]);
        assert_eq!(half.picture(1), half.picture(2));
        assert!(sites.through(&square(3, 1, 1, [5, 5])).is_none());
        assert!(sites.through(&square(5, 1, 0, [4, 4])).is_none());
        assert!(sites.widened([100, 100]).unwrap().shared().iter().all(|&n| n == 1));
    }

    #[test]
    fn what_is_written_out_is_what_was_gathered() {
        let values = [0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 5.0, 0.0, 0.0, f32::MIN_POSITIVE, 0.0, 1.0];
        let sites = Sites::nonzero([1, 2], 2, &values).unwrap();
        let rows = sites.gather(2, &values);
        assert_eq!(sites.own(), 4);
        let all = super::super::sparse::forward(&sites.expansion(), &rows, 2);
        assert_eq!(all, values);
        let mean = super::super::sparse::forward(&sites.average(), &rows, 2);
        assert_eq!(mean, [0.0, 1.5, 2.5, 0.0, 0.0, 0.5]);
        let lengths = Sites::leading(3, [0, 2, 9]).unwrap();
        assert_eq!(lengths.offsets(), [0, 0, 2, 5, 8]);
    }

    #[test]
    fn marks_that_are_no_pictures_are_refused() {
        assert!(Sites::new([2, 2], &[true; 6]).is_none());
        assert!(Sites::new([0, 2], &[]).is_none());
        assert!(Sites::new([usize::MAX, 2], &[true]).is_none());
        assert_eq!(Sites::new([2, 2], &[]).unwrap().row_count(), 4);
    }
}
