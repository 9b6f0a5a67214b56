//! From token states to one vector per text, in 32-bit arithmetic.

use crate::model::Pooling;

/// What is done with the states of one text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// How token states become one vector.
    pub pooling: Pooling,
    /// Whether the vector is scaled to length 1.
    pub normalize: bool,
}

impl Head {
    /// The vector of one row of states, `[sequence, hidden]` flattened, of which the first `tokens` are real.
    pub fn apply(self, states: &[f32], hidden: usize, tokens: usize) -> Vec<f32> {
        let mut vector = match self.pooling {
            Pooling::Cls => states.iter().take(hidden).copied().collect(),
            Pooling::Mean => mean(states, hidden, tokens),
        };
        if self.normalize {
            normalize(&mut vector);
        }
        vector
    }
}

fn mean(states: &[f32], hidden: usize, tokens: usize) -> Vec<f32> {
    let mut sum = vec![0.0; hidden];
    for state in states.chunks_exact(hidden.max(1)).take(tokens) {
        for (total, value) in sum.iter_mut().zip(state) {
            *total += value;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a window is far below 2^24")]
    let count = tokens.max(1) as f32;
    sum.iter_mut().for_each(|total| *total /= count);
    sum
}

fn normalize(vector: &mut [f32]) {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|value| *value /= length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_ignores_padding() {
        let head = Head { pooling: Pooling::Mean, normalize: false };
        let states = [1.0, 2.0, 3.0, 4.0, 99.0, 99.0];
        assert_eq!(head.apply(&states, 2, 2), vec![2.0, 3.0]);
    }

    #[test]
    fn cls_takes_the_first_state_and_normalization_gives_length_one() {
        let head = Head { pooling: Pooling::Cls, normalize: true };
        assert_eq!(head.apply(&[3.0, 4.0, 9.0, 9.0], 2, 2), vec![0.6, 0.8]);
        assert_eq!(head.apply(&[0.0, 0.0], 2, 1), vec![0.0, 0.0]);
    }
}
