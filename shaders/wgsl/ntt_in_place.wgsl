// A pass whose elements are replaced where they are.

@group(0) @binding(2) var<storage, read_write> columns: array<u32>;

fn load(column: u32, coset: u32, row: u32) -> u32 {
    return columns[params.source + column * params.source_stride + row];
}

fn store(column: u32, coset: u32, row: u32, value: u32) {
    columns[params.destination + column * params.destination_stride + row] = value;
}
