//! Dense layers with layer normalizations, GELUs, dropouts and factors between them, and a residual at the end.

use super::block::{Block, Entry, Init, check_size};
use super::dropout::keys;
use super::{Part, PartMut, Parts, Pass};
use crate::error::NnError;
use crate::kernels::row_chain::{Map, Residual, RowSpec};
use crate::kernels::workspace::Workspace;
use crate::ops;
use burn::tensor::{Device, Tensor};
use std::sync::Arc;

/// What makes such a chain.
#[derive(Debug, Clone)]
pub struct RowChainConfig {
    /// Name of its parameters, unique in the network.
    pub name: String,
    /// Widths, input first.
    pub widths: Vec<usize>,
    /// The maps before each product, and one list more for those after the last. A list holds each kind of map once.
    pub maps: Vec<Vec<Map>>,
    /// What is added at the end.
    pub residual: Residual,
    /// How the weights of each product start.
    pub weights: Vec<Init>,
    /// How the biases of each product start. Gammas, factors and residual weights start at 1, betas at 0.
    pub biases: Vec<Init>,
}

impl RowChainConfig {
    fn refuse(&self, what: &str, value: String, limit: &'static str) -> NnError {
        NnError::Config {
            what: format!("{what} of layer '{}'", self.name),
            value,
            limit,
        }
    }

    fn check(&self) -> Result<(), NnError> {
        let (widths, layers) = (&self.widths, self.widths.len().saturating_sub(1));
        if layers == 0 || widths.contains(&0) {
            let value = format!("{widths:?}");
            return Err(self.refuse("the widths, input first,", value, "at least two widths above zero"));
        }
        check_size(&self.name, &widths.windows(2).map(|w| (w[0], w[1])).collect::<Vec<_>>())?;
        let lists = [self.maps.len(), self.weights.len() + 1, self.biases.len() + 1];
        if lists != [layers + 1; 3] {
            let limit = "one list of maps more than products, and as many inits as products";
            return Err(self.refuse("the lists of maps and inits", format!("{lists:?}"), limit));
        }
        for (maps, &c) in self.maps.iter().zip(widths) {
            for (m, map) in maps.iter().enumerate() {
                let kind = std::mem::discriminant(map);
                if maps[..m].iter().any(|other| std::mem::discriminant(other) == kind) {
                    return Err(self.refuse("the maps", format!("{maps:?}"), "each kind once between two products"));
                }
                match *map {
                    Map::Scale(groups) if groups == 0 || !c.is_multiple_of(groups) => {
                        let value = format!("{groups} groups of {c} channels");
                        return Err(self.refuse("the factors", value, "groups of equal size"));
                    }
                    Map::Dropout(rate) if !(0.0..1.0).contains(&rate) => {
                        return Err(self.refuse("the dropout rate", rate.to_string(), "in [0, 1)"));
                    }
                    _ => {}
                }
            }
        }
        if self.residual == Residual::WeightedInput && widths[0] != widths[layers] {
            let value = format!("{} and {}", widths[0], widths[layers]);
            return Err(self.refuse("input and output width", value, "equal, for a residual"));
        }
        Ok(())
    }

    /// Draws the parameters.
    ///
    /// # Errors
    /// [`NnError::Config`] for widths, maps or rates that make no chain.
    pub fn init(&self, seed: u64, device: &Device) -> Result<RowChain, NnError> {
        self.check()?;
        let spec = RowSpec::new(self.widths.clone(), self.maps.clone(), self.residual);
        let mut entries = Vec::new();
        let mut add = |name: String, range: std::ops::Range<usize>, shape: Vec<usize>, init| {
            entries.push(Entry {
                name,
                range,
                shape,
                init,
            });
        };
        for l in 0..=spec.layers() {
            let c = spec.width(l);
            for (m, map) in spec.maps(l).iter().enumerate() {
                let at = spec.map(l, m);
                match *map {
                    Map::Norm => {
                        let middle = at.start + c;
                        add(format!("{l}.gamma"), at.start..middle, vec![c], Init::Constant(1.0));
                        add(format!("{l}.beta"), middle..at.end, vec![c], Init::Constant(0.0));
                    }
                    Map::Scale(groups) => add(format!("{l}.scale"), at, vec![groups], Init::Constant(1.0)),
                    Map::Gelu | Map::Dropout(_) => {}
                }
            }
            if l < spec.layers() {
                let c_out = spec.width(l + 1);
                add(format!("{l}.weight"), spec.weight(l), vec![c, c_out], self.weights[l]);
                add(format!("{l}.bias"), spec.bias(l), vec![c_out], self.biases[l]);
            }
        }
        if spec.residual() == Residual::WeightedInput {
            let at = spec.residual_weight();
            add("residual".into(), at, vec![spec.input()], Init::Constant(1.0));
        }
        Ok(RowChain {
            block: Block::new(&self.name, entries, seed, device),
            spec: Arc::new(spec),
            workspace: Workspace::default(),
        })
    }
}

/// A chain of dense layers with maps between them.
#[derive(Debug)]
pub struct RowChain {
    spec: Arc<RowSpec>,
    block: Block,
    workspace: Workspace,
}

impl RowChain {
    /// Applies the chain to each row; a residual that is another tensor is that of [`RowChain::forward_onto`].
    ///
    /// # Shapes
    /// - `x`: `[R, C_0]`; returns `[R, C_L]`
    pub fn forward(&self, x: Tensor<2>, pass: &Pass) -> Tensor<2> {
        self.run(x, None, pass)
    }

    /// Applies the chain to each row and adds the result to `other`.
    ///
    /// # Shapes
    /// - `x`: `[R, C_0]`, `other`: `[R, C_L]`; returns `[R, C_L]`
    pub fn forward_onto(&self, x: Tensor<2>, other: Tensor<2>, pass: &Pass) -> Tensor<2> {
        self.run(x, Some(other), pass)
    }

    fn run(&self, x: Tensor<2>, other: Option<Tensor<2>>, pass: &Pass) -> Tensor<2> {
        let keys = keys(self.block.name(), self.spec.dropouts(), pass);
        let keep = pass.is_recorded();
        let parameters = self.block.tensor(pass);
        ops::row_chain(x, other, parameters, &self.spec, keys, keep, &self.workspace)
    }

    /// Multiply-adds a row, forward.
    pub fn multiply_adds(&self) -> usize {
        self.spec.multiply_adds()
    }
}

impl Parts for RowChain {
    fn parts(&self) -> Vec<Part<'_>> {
        vec![Part::Block(&self.block)]
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        vec![PartMut::Block(&mut self.block)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> RowChainConfig {
        RowChainConfig {
            name: "feed".into(),
            widths: vec![4, 6, 4],
            maps: vec![vec![Map::Norm], vec![Map::Gelu, Map::Dropout(0.5), Map::Norm], vec![]],
            residual: Residual::WeightedInput,
            weights: vec![Init::GlorotUniform; 2],
            biases: vec![Init::Constant(0.0); 2],
        }
    }

    #[test]
    fn what_makes_no_chain_is_refused_with_its_layer() {
        let device = Device::flex();
        assert!(config().init(1, &device).is_ok());
        let changes: [fn(&mut RowChainConfig); 7] = [
            |c| c.widths = vec![4],
            |c| c.widths[1] = 0,
            |c| c.widths[2] = 5,
            |c| c.maps[1].push(Map::Norm),
            |c| c.maps[0] = vec![Map::Scale(3)],
            |c| c.maps[2] = vec![Map::Dropout(1.0)],
            |c| c.weights = vec![Init::GlorotUniform],
        ];
        for (i, change) in changes.into_iter().enumerate() {
            let mut config = config();
            change(&mut config);
            let error = config.init(1, &device).unwrap_err().to_string();
            assert!(error.contains("'feed'"), "{i}: {error}");
        }
    }

    #[test]
    fn dropout_drops_while_training_only_and_the_same_in_the_same_step() {
        let device = Device::flex();
        let layer = config().init(1, &device).unwrap();
        let run = |pass: Pass| {
            let x = Tensor::<2>::ones([3, 4], &pass.device(&device)) * 0.3;
            let x = x.cumsum(1);
            crate::ops::floats(layer.forward(x, &pass))
        };
        let step = |step| run(Pass::Training { seed: 5, step });
        assert_eq!(step(2), step(2));
        assert_ne!(step(2), step(3));
        assert_ne!(step(2), run(Pass::Scoring));
        assert_eq!(run(Pass::Scoring), run(Pass::Scoring));
    }
}
