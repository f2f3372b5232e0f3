//! The pickle of a state dict, read without running it.
//!
//! A pickle is a program for a stack machine (protocol 2: PEP 307). This interpreter knows the instructions that a
//! dictionary of tensors consists of, and eight names: `collections.OrderedDict`, PyTorch's two functions that make
//! tensors and four types of storages, and nothing that would import or call anything. Objects lie in one list and
//! refer to each other by number, so that neither depth nor cycles can overflow anything, and every instruction adds at
//! most a few hundred bytes: work and memory are of the order of the pickle's length.

mod cursor;

use super::Parsed;
use super::tensor::{MOST_AXES, StorageName, TensorPlace, TorchType};
use cursor::Cursor;
use std::collections::{HashMap, HashSet};

/// Number of an object.
type Id = usize;

/// The names that may occur.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Known {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(TorchType),
}

#[derive(Debug, Clone, PartialEq)]
enum Object {
    None,
    Bool(bool),
    Int(i64),
    Float,
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Name(Known),
    Storage(StorageName),
    Tensor(TensorPlace),
}

impl Object {
    fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "a truth value",
            Self::Int(_) | Self::Float => "a number",
            Self::Text(_) => "a text",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Dict(_) => "a dictionary",
            Self::Name(_) => "a function or type",
            Self::Storage(_) => "a storage",
            Self::Tensor(_) => "a tensor",
        }
    }
}

/// The tensors of a pickled state dict, by name, in its order.
///
/// # Errors
/// In words, with the byte where reading ended or the entry that is wrong.
pub(super) fn tensors(pickle: &[u8]) -> Parsed<Vec<(String, TensorPlace)>> {
    let mut machine = Machine::new(pickle);
    let top = machine
        .run()
        .map_err(|reason| format!("byte {}: {reason}", machine.cursor.at))?;
    machine.state_dict(top, true)
}

struct Machine<'a> {
    cursor: Cursor<'a>,
    objects: Vec<Object>,
    stack: Vec<Id>,
    /// Heights of the stack where `(` stands.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    fn new(pickle: &'a [u8]) -> Self {
        Self {
            cursor: Cursor::new(pickle),
            objects: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        }
    }

    /// Runs to the end; returns what is left on the stack.
    fn run(&mut self) -> Parsed<Id> {
        loop {
            let [code] = self.cursor.bytes()?;
            match code {
                0x80 => {
                    let [protocol] = self.cursor.bytes()?;
                    if protocol != 2 {
                        return Err(format!("pickle protocol {protocol}; torch.save writes 2"));
                    }
                }
                b'.' => return self.pop(),
                b'(' => self.marks.push(self.stack.len()),
                b'N' => self.push(Object::None),
                0x88 => self.push(Object::Bool(true)),
                0x89 => self.push(Object::Bool(false)),
                b'J' => {
                    let value = i32::from_le_bytes(self.cursor.bytes()?);
                    self.push(Object::Int(value.into()));
                }
                b'K' => {
                    let [value] = self.cursor.bytes()?;
                    self.push(Object::Int(value.into()));
                }
                b'M' => {
                    let value = u16::from_le_bytes(self.cursor.bytes()?);
                    self.push(Object::Int(value.into()));
                }
                0x8a => {
                    let value = self.cursor.long()?;
                    self.push(Object::Int(value));
                }
                b'G' => {
                    self.cursor.bytes::<8>()?;
                    self.push(Object::Float);
                }
                b'X' => {
                    let text = self.cursor.text()?;
                    self.push(Object::Text(text));
                }
                b'c' => {
                    let name = self.name()?;
                    self.push(Object::Name(name));
                }
                b')' => self.push(Object::Tuple(Vec::new())),
                b']' => self.push(Object::List(Vec::new())),
                b'}' => self.push(Object::Dict(Vec::new())),
                0x85..=0x87 => {
                    let items = self.pop_many(usize::from(code - 0x84))?;
                    self.push(Object::Tuple(items));
                }
                b't' => {
                    let items = self.pop_to_mark()?;
                    self.push(Object::Tuple(items));
                }
                b'a' => {
                    let item = self.pop()?;
                    self.append(vec![item])?;
                }
                b'e' => {
                    let items = self.pop_to_mark()?;
                    self.append(items)?;
                }
                b's' => {
                    let pair = self.pop_many(2)?;
                    self.set_items(&pair)?;
                }
                b'u' => {
                    let items = self.pop_to_mark()?;
                    self.set_items(&items)?;
                }
                b'q' => {
                    let [slot] = self.cursor.bytes()?;
                    self.put(slot.into())?;
                }
                b'r' => {
                    let slot = u32::from_le_bytes(self.cursor.bytes()?);
                    self.put(slot)?;
                }
                b'h' => {
                    let [slot] = self.cursor.bytes()?;
                    self.get(slot.into())?;
                }
                b'j' => {
                    let slot = u32::from_le_bytes(self.cursor.bytes()?);
                    self.get(slot)?;
                }
                b'Q' => {
                    let storage = self.storage()?;
                    self.push(Object::Storage(storage));
                }
                b'R' => self.reduce()?,
                b'b' => self.build()?,
                other => {
                    return Err(format!(
                        "instruction {other:#04x}, which a state dict of tensors has not"
                    ));
                }
            }
        }
    }

    /// Two lines: module and name.
    fn name(&mut self) -> Parsed<Known> {
        let (module, name) = (self.cursor.line()?, self.cursor.line()?);
        let known = match (module.as_str(), name.as_str()) {
            ("collections", "OrderedDict") => Some(Known::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2") => Some(Known::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Some(Known::RebuildParameter),
            ("torch", storage) => TorchType::of_storage(storage).map(Known::Storage),
            _ => None,
        };
        known.ok_or_else(|| {
            let full = format!("{module}.{name}").escape_debug().to_string();
            if module == "torch" && name.ends_with("Storage") {
                return format!("values of type {full}; allowed: f32, f64, f16 and i64");
            }
            format!(
                "it names {full}, which would be run, not read: save the tensors alone with \
                 torch.save(model.state_dict(), 'weights.pt')"
            )
        })
    }

    fn push(&mut self, object: Object) {
        self.objects.push(object);
        self.stack.push(self.objects.len() - 1);
    }

    /// The top of the stack; nothing below the last mark is taken.
    fn pop(&mut self) -> Parsed<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err("nothing left on the stack".to_owned());
        }
        self.stack.pop().ok_or_else(|| "nothing left on the stack".to_owned())
    }

    fn pop_many(&mut self, count: usize) -> Parsed<Vec<Id>> {
        let mut items = (0..count).map(|_| self.pop()).collect::<Parsed<Vec<Id>>>()?;
        items.reverse();
        Ok(items)
    }

    fn pop_to_mark(&mut self) -> Parsed<Vec<Id>> {
        let mark = self.marks.pop().ok_or("an end without a beginning")?;
        // The stack never falls below a mark.
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn top(&mut self) -> Parsed<&mut Object> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(&id) if self.stack.len() > floor => Ok(&mut self.objects[id]),
            _ => Err("nothing left on the stack".to_owned()),
        }
    }

    fn append(&mut self, items: Vec<Id>) -> Parsed<()> {
        match self.top()? {
            Object::List(list) => {
                list.extend(items);
                Ok(())
            }
            other => Err(format!("items for {}", other.kind())),
        }
    }

    fn set_items(&mut self, items: &[Id]) -> Parsed<()> {
        let (pairs, rest) = items.as_chunks::<2>();
        match self.top()? {
            Object::Dict(entries) if rest.is_empty() => {
                entries.extend(pairs.iter().map(|&[key, value]| (key, value)));
                Ok(())
            }
            other => Err(format!("{} entries for {}", items.len(), other.kind())),
        }
    }

    fn put(&mut self, slot: u32) -> Parsed<()> {
        let id = *self.stack.last().ok_or("nothing left on the stack")?;
        self.memo.insert(slot, id);
        Ok(())
    }

    fn get(&mut self, slot: u32) -> Parsed<()> {
        let id = *self.memo.get(&slot).ok_or_else(|| format!("no object {slot}"))?;
        self.stack.push(id);
        Ok(())
    }

    /// `('storage', type, key, device, length)`.
    fn storage(&mut self) -> Parsed<StorageName> {
        let id = self.pop()?;
        let items: Vec<&Object> = match &self.objects[id] {
            Object::Tuple(items) => items.iter().map(|&i| &self.objects[i]).collect(),
            other => return Err(format!("{} as the name of a storage", other.kind())),
        };
        match items[..] {
            [
                Object::Text(tag),
                Object::Name(Known::Storage(dtype)),
                Object::Text(key),
                Object::Text(_),
                &Object::Int(length),
            ] if tag == "storage" => {
                if key.is_empty() || key.len() > 64 || !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                    return Err("a storage whose name is not a number or a short word".to_owned());
                }
                Ok(StorageName {
                    dtype: *dtype,
                    key: key.clone(),
                    length: usize::try_from(length).map_err(|_| format!("a storage of {length} values"))?,
                })
            }
            _ => Err("the name of a storage is not as torch.save writes it".to_owned()),
        }
    }

    /// A call; only those that make dictionaries and tensors.
    fn reduce(&mut self) -> Parsed<()> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let (Object::Tuple(arguments), Object::Name(known)) = (&self.objects[arguments], &self.objects[function])
        else {
            return Err(format!("a call of {}", self.objects[function].kind()));
        };
        match (known, &arguments[..]) {
            (Known::OrderedDict, []) => self.push(Object::Dict(Vec::new())),
            (Known::RebuildTensor, [storage, offset, shape, strides, ..]) => {
                let tensor = self.tensor(*storage, *offset, *shape, *strides)?;
                self.push(Object::Tensor(tensor));
            }
            (Known::RebuildParameter, &[tensor, ..]) if matches!(self.objects[tensor], Object::Tensor(_)) => {
                self.stack.push(tensor);
            }
            _ => return Err("a call with other arguments than torch.save gives".to_owned()),
        }
        Ok(())
    }

    fn tensor(&self, storage: Id, offset: Id, shape: Id, strides: Id) -> Parsed<TensorPlace> {
        let Object::Storage(storage) = &self.objects[storage] else {
            return Err(format!("a tensor over {}", self.objects[storage].kind()));
        };
        let sizes = |id: Id| match &self.objects[id] {
            Object::Tuple(items) if items.len() <= MOST_AXES => items.iter().map(|&i| self.size(i)).collect(),
            Object::Tuple(items) => Err(format!("{} axes; allowed: at most {MOST_AXES}", items.len())),
            other => Err(format!("{} as the shape of a tensor", other.kind())),
        };
        Ok(TensorPlace {
            storage: storage.clone(),
            offset: self.size(offset)?,
            shape: sizes(shape)?,
            strides: sizes(strides)?,
        })
    }

    fn size(&self, id: Id) -> Parsed<usize> {
        match &self.objects[id] {
            Object::Int(n) => usize::try_from(*n).map_err(|_| format!("a size of {n}")),
            other => Err(format!("{} as a size", other.kind())),
        }
    }

    /// Attributes of an object; a state dict carries versions of its modules, which say nothing here.
    fn build(&mut self) -> Parsed<()> {
        self.pop()?;
        match self.top()? {
            Object::Dict(_) => Ok(()),
            other => Err(format!("attributes for {}", other.kind())),
        }
    }

    /// The tensors of a dictionary, or of the one inside it that scripts call a state dict.
    fn state_dict(&self, top: Id, look_inside: bool) -> Parsed<Vec<(String, TensorPlace)>> {
        let Object::Dict(entries) = &self.objects[top] else {
            return Err(format!("{} where a state dict is expected", self.objects[top].kind()));
        };
        let name = |id: Id| match &self.objects[id] {
            Object::Text(text) if text.len() <= 500 && !text.chars().any(char::is_control) => Ok(text.as_str()),
            Object::Text(_) => Err("an entry whose name is too long or no plain text".to_owned()),
            other => Err(format!("an entry whose name is {}", other.kind())),
        };
        let is_tensor = |id: Id| matches!(self.objects[id], Object::Tensor(_));
        if look_inside && !entries.iter().any(|&(_, value)| is_tensor(value)) {
            for wanted in ["state_dict", "model_state_dict", "model"] {
                for &(key, value) in entries {
                    if name(key) == Ok(wanted) && matches!(self.objects[value], Object::Dict(_)) {
                        return self.state_dict(value, false);
                    }
                }
            }
        }
        if entries.is_empty() {
            return Err("an empty state dict".to_owned());
        }
        let mut seen = HashSet::new();
        let mut tensors = Vec::new();
        for &(key, value) in entries {
            let name = name(key)?;
            let Object::Tensor(place) = &self.objects[value] else {
                return Err(format!("entry {name} is {}, not a tensor", self.objects[value].kind()));
            };
            if !seen.insert(name) {
                return Err(format!("two entries are called {name}"));
            }
            tensors.push((name.to_owned(), place.clone()));
        }
        Ok(tensors)
    }
}

#[cfg(test)]
mod tests;
