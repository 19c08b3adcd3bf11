// The first pass of an extension onto cosets: coefficient j is multiplied by shift^j as it is read, and coset c of a column is
// the c-th run of 2^log_rows rows of the destination. Reference: `coset_lde_batch` of p3-dft.

@group(0) @binding(2) var<storage, read_write> columns: array<u32>;
@group(0) @binding(3) var<storage, read> coefficients: array<u32>;
// Of each coset, the powers 0..4096 of its shift, and then the powers 0..4096 of the shift's 4096th power.
@group(0) @binding(4) var<storage, read> shifts: array<u32>;

fn load(column: u32, coset: u32, row: u32) -> u32 {
    let coefficient = coefficients[params.source + column * params.source_stride + row];
    let power = f_mul(shifts[coset * 8192u + (row & 4095u)], shifts[coset * 8192u + 4096u + (row >> 12u)]);
    return f_mul(coefficient, power);
}

fn store(column: u32, coset: u32, row: u32, value: u32) {
    columns[params.destination + column * params.destination_stride + (coset << params.log_rows) + row] = value;
}
