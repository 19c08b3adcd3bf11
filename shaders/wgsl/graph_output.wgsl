
fn output_at(row: u32) -> Ext {
    let n = 1u << params.log_rows;
    return Ext(output[row], output[n + row], output[2u * n + row], output[3u * n + row], output[4u * n + row]);
}

fn put_output(place: u32, row: u32, value: Ext) {
    let n = 1u << params.log_rows;
    let first = 5u * place * n + row;
    output[first] = value.c0;
    output[first + n] = value.c1;
    output[first + 2u * n] = value.c2;
    output[first + 3u * n] = value.c3;
    output[first + 4u * n] = value.c4;
}
