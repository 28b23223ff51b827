// A pattern memory unit: models/fabric/pmu/README.md specifies it.
//
// The scratchpad is one array with a port a bank and pipeline, not an array a bank: which bank a word lies in is a matter of
// configuration (BANK), while the content outlives configurations. Banks show in time alone.
`include "pmu.svh"

module pmu #(
  parameter int SCRATCHPAD_BYTES = 512 * 1024,  // a power of two
  parameter int BANKS = 16,
  parameter int LANES = 64,                     // most lanes of an access; the words allow up to 64
  parameter int READ_CYCLES = 4,
  parameter int FIFO_DEPTH = 16,
  parameter int OUTPUT_DEPTH = 32,
  parameter int SCALAR_DEPTH = 4,
  parameter int CHECK = 0                       // 1: the pins are held to their rules, in simulation
) (
  input  logic          clk,
  input  logic          rst_n,
  input  logic          cfg_valid,
  input  logic [9:0]    cfg_word,
  input  logic [31:0]   cfg_data,
  input  logic          start,
  output logic          idle,
  output logic          done,
  // vectors
  input  logic [3:0]    in_valid,
  input  logic [4*512-1:0] in_data,
  /* verilator lint_off UNUSEDSIGNAL */  // of a head the sequence id alone
  input  logic [4*40-1:0]  in_head,
  /* verilator lint_on UNUSEDSIGNAL */
  output logic [3:0]    in_credit,
  output logic [1:0]    out_valid,
  output logic [2*512-1:0] out_data,
  output logic [2*40-1:0]  out_head,
  input  logic [1:0]    out_credit,
  input  logic [2*16-1:0]  out_init,
  // scalars
  input  logic [1:0]    sin_valid,
  input  logic [2*32-1:0]  sin_data,
  output logic [1:0]    sin_credit,
  output logic          sout_valid,
  output logic [31:0]   sout_data,
  /* verilator lint_off UNUSEDSIGNAL */  // the scalar output is not used
  input  logic          sout_credit,
  input  logic [15:0]   sout_init,
  /* verilator lint_on UNUSEDSIGNAL */
  // tokens
  input  logic [1:0]    tok_in,
  output logic [1:0]    tok_out,
  output logic          token_overflow,   // a token came that cannot be counted: an error of the configuration
  // ECC: errors put into a word, and those found in this cycle, by W0, W1, R0, R1
  input  logic          flip_valid,
  input  logic [$clog2(SCRATCHPAD_BYTES)-3:0] flip_word,
  input  logic [38:0]   flip_bits,
  output logic [4*8-1:0]   ecc_corrected,      // words
  output logic [4*8-1:0]   ecc_uncorrectable,  // words
  output logic [4*32-1:0]  ecc_address,        // lowest byte address of an uncorrectable one
  output logic [4*20-1:0]  perf                // what each pipeline did in the cycle before: models/fabric/stream/README.md
);
  localparam int AW = $clog2(SCRATCHPAD_BYTES);
  localparam int WAW = AW - 2;
  localparam int PLACES = $clog2(OUTPUT_DEPTH + 1);

  // ---- configuration words that pipelines share
  logic [8*8-1:0] tokens_at_start;
  /* verilator lint_off UNUSEDSIGNAL */
  logic [31:0] bank_mode;
  /* verilator lint_on UNUSEDSIGNAL */
  genvar b, i, n, p;
  generate
    for (n = 0; n < PMU_TOKENS_COUNT; n++) begin : token_words
      always_ff @(posedge clk) begin
        if (!rst_n) tokens_at_start[n*8 +: 8] <= '0;
        else if (cfg_valid && {20'b0, cfg_word, 2'b0} == PMU_TOKENS_OFFSET + 32'(4 * n)) tokens_at_start[n*8 +: 8] <= cfg_data[7:0];
      end
    end
  endgenerate
  always_ff @(posedge clk) begin
    if (!rst_n) bank_mode <= PMU_BANK_RESET;
    else if (cfg_valid && {20'b0, cfg_word, 2'b0} == PMU_BANK_OFFSET) bank_mode <= cfg_data;
  end

  // ---- inputs
  logic [3:0] packet_valid;
  logic [3:0] packet_taken;
  logic [4*528-1:0] packets;   // sequence id, data
  logic [1:0] word_valid;
  logic [1:0] word_taken;
  logic [2*32-1:0] scalars;
  /* verilator lint_off PINCONNECTEMPTY */
  generate
    for (i = 0; i < 4; i++) begin : vector_input
      fifo #(.WIDTH(528), .DEPTH(FIFO_DEPTH)) queue (
        .clk, .rst_n, .clear(start), .put(in_valid[i]), .data_in({in_head[i*40 +: 16], in_data[i*512 +: 512]}), .take(packet_taken[i]),
        .valid(packet_valid[i]), .data_out(packets[i*528 +: 528]), .count(), .overflow());
    end
    for (i = 0; i < 2; i++) begin : scalar_input
      fifo #(.WIDTH(32), .DEPTH(SCALAR_DEPTH)) queue (
        .clk, .rst_n, .clear(start), .put(sin_valid[i]), .data_in(sin_data[i*32 +: 32]), .take(word_taken[i]), .valid(word_valid[i]),
        .data_out(scalars[i*32 +: 32]), .count(), .overflow());
    end
  endgenerate
  /* verilator lint_on PINCONNECTEMPTY */
  assign in_credit = packet_taken;
  assign sin_credit = word_taken;
  assign sout_valid = 1'b0;
  assign sout_data = '0;

  // ---- pipelines: W0, W1, R0, R1
  logic [3:0] enable, slot, finished, busy;
  logic [4*2-1:0] data_input, index_input;
  logic [3:0] data_taken, index_taken;
  logic [1:0] place, place_taken;
  logic [4*8-1:0] taken, given;
  logic [4*2-1:0] sent;
  logic [7:0] there;
  /* verilator lint_off UNUSEDSIGNAL */  // write pipelines make no vectors, read pipelines write nothing
  logic [4*BANKS-1:0] bank_valid;
  logic [4*BANKS*WAW-1:0] bank_word;
  logic [4*BANKS*4-1:0] bank_bytes;
  logic [4*BANKS*32-1:0] bank_written;
  logic [4*BANKS*32-1:0] bank_read;
  logic [3:0] vector_valid;
  logic [4*512-1:0] made;
  logic [4*16-1:0] vector_sequence;
  logic [4*24-1:0] route;
  logic [3:0] scalar_taken, takes_place;
  /* verilator lint_on UNUSEDSIGNAL */
  logic odd;  // cycle

  always_ff @(posedge clk) begin
    if (!rst_n || start) odd <= 1'b0;
    else odd <= !odd;
  end

  localparam logic [9:0] GROUP = 10'(PMU_WRITE_STRIDE / 4);
  generate
    for (p = 0; p < 4; p++) begin : pipeline
      localparam logic [9:0] FIRST_WORD = p < 2 ? 10'(PMU_WRITE_OFFSET / 4) + 10'(p) * GROUP : 10'(PMU_READ_OFFSET / 4) + 10'(p - 2) * GROUP;
      wire both = enable[p] && enable[p ^ 1] && !bank_mode[PMU_BANK_TOGETHER_LSB];
      assign perf[p*20 + 19] = 1'b0;
      assign slot[p] = !both || odd == (p % 2 == 1);
      wire [9:0] own_word = cfg_word - FIRST_WORD;
      wire [527:0] packet = packets[32'(data_input[p*2 +: 2])*528 +: 528];
      pmu_pipeline #(.WRITE(p < 2 ? 1 : 0), .BANKS(BANKS), .LANES(LANES), .ADDRESS_BITS(AW)) unit (
        .clk, .rst_n, .start, .cfg_valid(cfg_valid && own_word < GROUP), .cfg_word(own_word[4:0]), .cfg_data,
        .shift(bank_mode[PMU_BANK_SHIFT_LSB +: 5]), .skew(bank_mode[PMU_BANK_SKEW_LSB +: 5]), .enable(enable[p]),
        .data_input(data_input[p*2 +: 2]), .index_input(index_input[p*2 +: 2]), .out_head(route[p*24 +: 24]),
        .slot(slot[p]), .slow(both), .did(perf[p*20 +: 19]), .tokens(there), .tokens_taken(taken[p*8 +: 8]),
        .data_valid(packet_valid[data_input[p*2 +: 2]]), .data(packet[511:0]), .data_sequence(packet[527:512]), .data_taken(data_taken[p]),
        .index_valid(packet_valid[index_input[p*2 +: 2]]), .index_data(packets[32'(index_input[p*2 +: 2])*528 +: 512]),
        .index_taken(index_taken[p]), .scalar_valid(word_valid[p % 2]), .scalar(scalars[(p % 2)*32 +: 32]), .scalar_taken(scalar_taken[p]),
        .place(place[p % 2]), .place_taken(takes_place[p]),
        .bank_valid(bank_valid[p*BANKS +: BANKS]), .bank_word(bank_word[p*BANKS*WAW +: BANKS*WAW]), .bank_bytes(bank_bytes[p*BANKS*4 +: BANKS*4]),
        .bank_written(bank_written[p*BANKS*32 +: BANKS*32]), .bank_read(bank_read[p*BANKS*32 +: BANKS*32]),
        .vector_valid(vector_valid[p]), .vector_data(made[p*512 +: 512]), .vector_sequence(vector_sequence[p*16 +: 16]),
        .tokens_given(given[p*8 +: 8]), .tokens_sent(sent[p*2 +: 2]), .finished(finished[p]), .busy(busy[p]));
    end
  endgenerate

  assign word_taken = scalar_taken[3:2];
  assign place_taken = takes_place[3:2];
  always_comb begin
    packet_taken = '0;
    for (int k = 0; k < 4; k++) begin
      if (data_taken[k]) packet_taken[data_input[k*2 +: 2]] = 1'b1;
      if (index_taken[k]) packet_taken[index_input[k*2 +: 2]] = 1'b1;
    end
  end

  // ---- tokens
  logic [7:0] too_many;
  generate
    for (n = 0; n < 8; n++) begin : token
      logic [7:0] count;
      wire outside = n >= 6 && tok_in[n >= 6 ? n - 6 : 0];
      token_counter #(.GIVERS(5), .TAKERS(4)) counter (
        .clk, .rst_n, .start, .initial_count(tokens_at_start[n*8 +: 8]),
        .give({outside, given[24+n], given[16+n], given[8+n], given[n]}), .take({taken[24+n], taken[16+n], taken[8+n], taken[n]}),
        .count, .overflow(too_many[n]));
      assign there[n] = count != '0;
    end
  endgenerate
  assign token_overflow = too_many != '0;

  always_ff @(posedge clk) begin
    if (!rst_n || start) tok_out <= '0;
    else tok_out <= sent[1:0] | sent[3:2] | sent[5:4] | sent[7:6];
  end

  // ---- scratchpad
  logic [38:0] memory [SCRATCHPAD_BYTES / 4];
  logic [4*BANKS-1:0] corrected;
  logic [4*BANKS-1:0] uncorrectable;
  logic [2*BANKS*39-1:0] stored;
  generate
    for (p = 0; p < 4; p++) begin : port
      for (b = 0; b < BANKS; b++) begin : bank
        localparam int N = p*BANKS + b;
        logic [38:0] raw;
        logic [31:0] word;
        logic wrong, lost;
        // A write of a whole word looks at nothing.
        wire looks = bank_valid[N] && (p >= 2 || bank_bytes[N*4 +: 4] != 4'b1111);
        always_comb begin
          raw = '0;
          if (looks) raw = memory[bank_word[N*WAW +: WAW]];
        end
        secded_decode decode (.stored(raw), .data(word), .corrected(wrong), .uncorrectable(lost));
        assign corrected[N] = wrong;
        assign uncorrectable[N] = lost;
        if (p < 2) begin : written
          wire [3:0] bytes = bank_bytes[N*4 +: 4];
          wire [31:0] mask = {{8{bytes[3]}}, {8{bytes[2]}}, {8{bytes[1]}}, {8{bytes[0]}}};
          wire [31:0] merged = (word & ~mask) | (bank_written[N*32 +: 32] & mask);
          logic [6:0] check;
          secded_encode encode (.data(merged), .check);
          assign stored[N*39 +: 39] = {check, merged};
          assign bank_read[N*32 +: 32] = '0;
          always_ff @(posedge clk) begin
            if (bank_valid[N]) memory[bank_word[N*WAW +: WAW]] <= stored[N*39 +: 39];
          end
        end else begin : read
          assign bank_read[N*32 +: 32] = word;
        end
      end
    end
  endgenerate
  always_ff @(posedge clk) begin
    if (flip_valid) memory[flip_word] <= memory[flip_word] ^ flip_bits;
  end

  always_comb begin
    logic [31:0] address;
    ecc_corrected = '0;
    ecc_uncorrectable = '0;
    ecc_address = '0;
    address = '0;
    if ((corrected | uncorrectable) != '0) begin
      for (int k = 0; k < 4; k++) begin
        for (int j = 0; j < BANKS; j++) begin
          ecc_corrected[k*8 +: 8] = ecc_corrected[k*8 +: 8] + 8'(corrected[k*BANKS + j]);
          address = 32'({bank_word[(k*BANKS + j)*WAW +: WAW], 2'b00});
          if (uncorrectable[k*BANKS + j] && (ecc_uncorrectable[k*8 +: 8] == '0 || address < ecc_address[k*32 +: 32])) ecc_address[k*32 +: 32] = address;
          ecc_uncorrectable[k*8 +: 8] = ecc_uncorrectable[k*8 +: 8] + 8'(uncorrectable[k*BANKS + j]);
        end
      end
    end
  end

  // ---- outputs: a vector is ready READ_CYCLES after the last slot of its access
  logic [1:0] in_flight;
  logic [1:0] all_left;
  generate
    for (i = 0; i < 2; i++) begin : vector_output
      logic [PLACES-1:0] free;
      logic [READ_CYCLES-1:0] valid;                  // [k]: k cycles after the last slot
      logic [READ_CYCLES*528-1:0] delayed;
      assign valid[0] = vector_valid[2+i];
      assign delayed[527:0] = {vector_sequence[(2+i)*16 +: 16], made[(2+i)*512 +: 512]};
      if (READ_CYCLES > 1) begin : stages
        for (n = 1; n < READ_CYCLES; n++) begin : stage
          logic is_valid;
          logic [527:0] content;
          assign valid[n] = is_valid;
          assign delayed[n*528 +: 528] = content;
          always_ff @(posedge clk) begin
            if (!rst_n || start) is_valid <= 1'b0;
            else is_valid <= valid[n-1];
            if (valid[n-1]) content <= delayed[(n-1)*528 +: 528];
          end
        end
      end
      logic [15:0] id;
      output_queue #(.WIDTH(528), .DEPTH(OUTPUT_DEPTH), .MOST(1)) places (
        .clk, .rst_n, .start, .init(out_init[i*16 +: 16]), .free, .take_places(place_taken[i]), .put(valid[READ_CYCLES-1]),
        .put_data(delayed[(READ_CYCLES-1)*528 +: 528]), .valid(out_valid[i]), .data({id, out_data[i*512 +: 512]}), .credit(out_credit[i]),
        .empty(all_left[i]));
      assign place[i] = free != '0;
      assign out_head[i*40 +: 40] = {route[(2+i)*24 + 21 +: 3], route[(2+i)*24 +: 21], id};
      assign in_flight[i] = valid != '0;
    end
  endgenerate

  generate
    if (CHECK != 0) begin : checks
      port_check #(.PORT("vector input"), .PORTS(4)) vector_inputs (
        .clk, .rst_n, .start, .capacity({4{16'(FIFO_DEPTH)}}), .valid(in_valid), .flow('0), .packet(in_data), .credit(in_credit));
      port_check #(.PORT("vector output"), .PORTS(2)) vector_outputs (
        .clk, .rst_n, .start, .capacity(out_init), .valid(out_valid), .flow('0), .packet(out_data), .credit(out_credit));
      port_check #(.PORT("scalar input"), .PORTS(2), .BITS(32)) scalar_inputs (
        .clk, .rst_n, .start, .capacity({2{16'(SCALAR_DEPTH)}}), .valid(sin_valid), .flow('0), .packet(sin_data), .credit(sin_credit));
    end
  endgenerate

  assign idle = busy == '0 && in_flight == '0 && out_valid == '0 && tok_out == '0;
  assign done = (&finished) && (&all_left) && tok_out == '0;
endmodule
