//! The program file, `SNTP`: the canonical encoding of a [`Program`], byte by byte in `docs/proofs.md`.

use p3_util::log2_strict_usize;
use thiserror::Error;

use crate::dag::{Dag, DagAir, DagError, DagParts, Exclusive, Global, Interactions, Node, NodeId, Row, Tuple, limits};
use crate::field::{Digest, hash_bytes};
use crate::parameters::ParameterSet;
use crate::program::{Program, ProgramError, StatementLayout, TABLES};
use crate::wire::{Reader, WireError, Writer};

/// The first bytes of a program file.
pub const MAGIC: [u8; 4] = *b"SNTP";
/// The version of the format, and of the proof system that gives it its meaning.
pub const VERSION: u16 = 1;
/// The largest program file that is read.
pub const MAX_BYTES: usize = 16 << 20;

/// The domain tag under which a program file is hashed: its magic, less the last byte.
const TAG: u32 = u32::from_le_bytes([b'S', b'N', b'T', 0]);

/// A program file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FileError {
    /// The file is larger than any program.
    #[error("expected at most {MAX_BYTES} bytes, got {got}")]
    Size {
        /// Its size.
        got: usize,
    },
    /// The file is of another version.
    #[error("expected version {VERSION}, got {got}")]
    Version {
        /// Its version.
        got: u16,
    },
    /// The bytes are not what the format says.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A graph is malformed.
    #[error("table {table}: {source}")]
    Dag {
        /// The table.
        table: usize,
        /// What is wrong with it.
        source: DagError,
    },
    /// The program as a whole is malformed.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The bytes encode a program, but not canonically.
    #[error("expected the canonical encoding of the program, got another")]
    NotCanonical,
}

/// The digest of a program file.
pub fn digest(bytes: &[u8]) -> Digest {
    hash_bytes(TAG, bytes)
}

/// Encode a program.
#[must_use]
pub fn encode(program: &Program) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.bytes(&MAGIC);
    writer.u16(VERSION);
    writer.u8(match program.layout() {
        StatementLayout::Raw => 0,
        StatementLayout::Journal => 1,
    });
    for (_, value, ..) in program.parameters().fields() {
        writer.u8(value);
    }
    writer.u8(program.airs().len() as u8);
    for (air, &log_height) in program.airs().iter().zip(program.log_heights()) {
        writer.u8(log_height);
        write_dag(&mut writer, air.dag().parts());
    }
    match program.commitment() {
        None => writer.u8(0),
        Some(cap) => {
            // One more than log2 of the number of digests.
            writer.u8(log2_strict_usize(cap.num_roots()) as u8 + 1);
            writer.digests(cap.roots());
        }
    }
    writer.finish()
}

/// Decode and check a program. Its tables have no preprocessed traces: it verifies, and proves once they are attached.
///
/// # Errors
/// When the bytes are not exactly the canonical encoding of a program within all bounds.
pub fn decode(bytes: &[u8]) -> Result<Program, FileError> {
    if bytes.len() > MAX_BYTES {
        return Err(FileError::Size { got: bytes.len() });
    }
    let mut reader = Reader::new(bytes);
    reader.magic(MAGIC)?;
    let version = reader.u16()?;
    if version != VERSION {
        return Err(FileError::Version { got: version });
    }
    let layout = reader.u8()?;
    reader.range("statement layout", layout.into(), 0, 1)?;
    let layout = if layout == 0 { StatementLayout::Raw } else { StatementLayout::Journal };
    let parameters = ParameterSet::from_bytes(reader.array()?);
    parameters.validate().map_err(ProgramError::from)?;
    let tables = reader.u8()?;
    reader.range("tables", tables.into(), 1, TABLES as u64)?;
    let (mut airs, mut log_heights) = (Vec::new(), Vec::new());
    for table in 0..usize::from(tables) {
        log_heights.push(reader.u8()?);
        let parts = read_dag(&mut reader)?;
        let dag = Dag::new(parts).map_err(|source| FileError::Dag { table, source })?;
        airs.push(DagAir::new(dag));
    }
    let cap_height = reader.u8()?;
    reader.range("height of the preprocessed commitment", cap_height.into(), 0, 9)?;
    let commitment = match cap_height {
        0 => None,
        height => Some(reader.cap(1 << (height - 1))?),
    };
    reader.finish()?;
    let program = Program::new(airs, log_heights, parameters, layout, commitment)?;
    // The format leaves no choice to an encoder; this holds the code to it.
    if encode(&program) != bytes {
        return Err(FileError::NotCanonical);
    }
    Ok(program)
}

/// Encode a graph.
fn write_dag(writer: &mut Writer, parts: &DagParts) {
    writer.u16(parts.main_width as u16);
    writer.u16(parts.preprocessed_width as u16);
    writer.u8(parts.public_values as u8);
    writer.count(parts.nodes.len());
    for node in &parts.nodes {
        write_node(writer, node);
    }
    writer.count(parts.constraints.len());
    parts.constraints.iter().for_each(|&root| writer.u32(root));
    let Interactions { locals, globals, exclusives } = &parts.interactions;
    writer.u16(locals.len() as u16);
    for local in locals {
        writer.u8(local.len() as u8);
        local.iter().for_each(|tuple| write_tuple(writer, tuple));
    }
    writer.u16(globals.len() as u16);
    for global in globals {
        writer.name(&global.bus);
        write_tuple(writer, &global.tuple);
    }
    writer.u16(exclusives.len() as u16);
    for exclusive in exclusives {
        writer.name(&exclusive.bus);
        writer.u8(exclusive.branches.len() as u8);
        for (flag, tuple) in &exclusive.branches {
            writer.u32(*flag);
            write_tuple(writer, tuple);
        }
    }
}

/// Decode a graph; [`Dag::new`] checks it.
fn read_dag(reader: &mut Reader<'_>) -> Result<DagParts, WireError> {
    let main_width = reader.u16()?.into();
    let preprocessed_width = reader.u16()?.into();
    let public_values = reader.u8()?.into();
    let count = reader.count("nodes", 0, limits::NODES, 1)?;
    let nodes = (0..count).map(|_| read_node(reader)).collect::<Result<_, _>>()?;
    let count = reader.count("constraints", 0, limits::CONSTRAINTS, 4)?;
    let constraints = (0..count).map(|_| reader.u32()).collect::<Result<_, _>>()?;

    let interactions = |reader: &mut Reader<'_>| {
        let count = reader.u16()?;
        reader.range("interactions", count.into(), 0, limits::INTERACTIONS as u64)?;
        Ok::<_, WireError>(0..count)
    };
    let tuples = |reader: &mut Reader<'_>| {
        let count = reader.u8()?;
        reader.range("tuples", count.into(), 1, limits::TUPLES as u64)?;
        Ok::<_, WireError>(0..count)
    };
    let mut locals = Vec::new();
    for _ in interactions(reader)? {
        locals.push(tuples(reader)?.map(|_| read_tuple(reader)).collect::<Result<_, _>>()?);
    }
    let mut globals = Vec::new();
    for _ in interactions(reader)? {
        globals.push(Global { bus: reader.name(limits::BUS_NAME)?, tuple: read_tuple(reader)? });
    }
    let mut exclusives = Vec::new();
    for _ in interactions(reader)? {
        let bus = reader.name(limits::BUS_NAME)?;
        let branches = tuples(reader)?.map(|_| Ok((reader.u32()?, read_tuple(reader)?)));
        let branches = branches.collect::<Result<_, WireError>>()?;
        exclusives.push(Exclusive { bus, branches });
    }
    let interactions = Interactions { locals, globals, exclusives };
    Ok(DagParts { main_width, preprocessed_width, public_values, nodes, constraints, interactions })
}

fn write_tuple(writer: &mut Writer, tuple: &Tuple) {
    writer.u8(tuple.fields.len() as u8);
    tuple.fields.iter().for_each(|&field| writer.u32(field));
    writer.u32(tuple.count);
    writer.u32(tuple.weight);
}

fn read_tuple(reader: &mut Reader<'_>) -> Result<Tuple, WireError> {
    let count = reader.u8()?;
    reader.range("fields of a tuple", count.into(), 1, limits::FIELDS as u64)?;
    let fields = (0..count).map(|_| reader.u32()).collect::<Result<Vec<NodeId>, _>>()?;
    Ok(Tuple { fields, count: reader.u32()?, weight: reader.u32()? })
}

fn write_node(writer: &mut Writer, node: &Node) {
    let mut tagged = |tag: u8, operands: &[u32]| {
        writer.u8(tag);
        operands.iter().for_each(|&operand| writer.u32(operand));
    };
    match *node {
        Node::Constant(value) => {
            writer.u8(0);
            writer.element(value);
        }
        Node::Main { row: Row::Local, column } => tagged(1, &[column]),
        Node::Main { row: Row::Next, column } => tagged(2, &[column]),
        Node::Preprocessed { row: Row::Local, column } => tagged(3, &[column]),
        Node::Preprocessed { row: Row::Next, column } => tagged(4, &[column]),
        Node::Public(index) => tagged(5, &[index]),
        Node::IsFirstRow => tagged(6, &[]),
        Node::IsLastRow => tagged(7, &[]),
        Node::IsTransition => tagged(8, &[]),
        Node::Add(a, b) => tagged(9, &[a, b]),
        Node::Sub(a, b) => tagged(10, &[a, b]),
        Node::Mul(a, b) => tagged(11, &[a, b]),
        Node::Neg(a) => tagged(12, &[a]),
    }
}

fn read_node(reader: &mut Reader<'_>) -> Result<Node, WireError> {
    let tag = reader.u8()?;
    Ok(match tag {
        0 => Node::Constant(reader.element()?),
        1 => Node::Main { row: Row::Local, column: reader.u32()? },
        2 => Node::Main { row: Row::Next, column: reader.u32()? },
        3 => Node::Preprocessed { row: Row::Local, column: reader.u32()? },
        4 => Node::Preprocessed { row: Row::Next, column: reader.u32()? },
        5 => Node::Public(reader.u32()?),
        6 => Node::IsFirstRow,
        7 => Node::IsLastRow,
        8 => Node::IsTransition,
        9 => Node::Add(reader.u32()?, reader.u32()?),
        10 => Node::Sub(reader.u32()?, reader.u32()?),
        11 => Node::Mul(reader.u32()?, reader.u32()?),
        12 => Node::Neg(reader.u32()?),
        _ => return Err(WireError::Range { at: reader.at(), what: "node", min: 0, max: 12, got: tag.into() }),
    })
}
