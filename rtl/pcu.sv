// Pattern compute unit. What it computes and when: models/fabric/pcu/README.md. Pins: models/fabric/stream/README.md; all
// outputs are registers or depend on registers alone, and in_credit, sin_credit rise in the cycle after something was taken.
`include "pcu.svh"
`include "firing.svh"

module pcu #(
    parameter LANES = 32,         // a power of two from 2 to 32
    parameter STAGES = 6,         // 1 to 8
    parameter FIFO_DEPTH = 16,    // packets in an input FIFO
    parameter OUTPUT_DEPTH = 32,  // packets in an output FIFO, words in the scalar one
    parameter SCALAR_DEPTH = 4,   // words in a scalar input's FIFO
    // cycles of the tail's functions
    parameter EXP_CYCLES = 8,
    parameter RECIP_CYCLES = 6,
    parameter TAIL_CYCLES = 8     // all others
) (
    input  logic          clk,
    input  logic          rst_n,
    input  logic          cfg_valid,
    input  logic [9:0]    cfg_word,
    input  logic [31:0]   cfg_data,
    input  logic          start,
    output logic          idle,
    output logic          done,
    input  logic [3:0]    in_valid,
    input  logic [2047:0] in_data,
    /* verilator lint_off UNUSEDSIGNAL */
    input  logic [159:0]  in_head,      // what comes is used in its order
    /* verilator lint_on UNUSEDSIGNAL */
    output logic [3:0]    in_credit,
    output logic [1:0]    out_valid,
    output logic [1023:0] out_data,
    output logic [79:0]   out_head,
    input  logic [1:0]    out_credit,
    input  logic [31:0]   out_init,
    input  logic [1:0]    sin_valid,
    input  logic [63:0]   sin_data,
    output logic [1:0]    sin_credit,
    output logic          sout_valid,
    output logic [31:0]   sout_data,
    output logic [1:0]    sout_flow,
    input  logic          sout_credit,
    input  logic [15:0]   sout_init,
    input  logic [1:0]    tok_in,
    output logic [1:0]    tok_out,
    output logic [39:0]   perf          // what each program did in the cycle before: models/fabric/stream/README.md
);
  localparam VECTOR = 32 * LANES;
  genvar i, k, n, p;

  // ---- configuration ----
  logic [127:0] constants;
  generate
    for (n = 0; n < PCU_CONST_COUNT; n++) begin : constant
      config_word #(.ADDRESS(PCU_CONST_OFFSET + n * PCU_CONST_STRIDE), .RESET(PCU_CONST_RESET)) word (
          .clk, .rst_n, .cfg_valid, .cfg_word, .cfg_data, .value(constants[32*n+:32]));
    end
    for (k = 0; k < STAGES; k++) begin : operation
      logic [31:0] word;
      config_word #(.ADDRESS(PCU_STAGE_OFFSET + k * PCU_STAGE_STRIDE), .RESET(PCU_STAGE_RESET)) stored (
          .clk, .rst_n, .cfg_valid, .cfg_word, .cfg_data, .value(word));
    end
    for (p = 0; p < 2; p++) begin : program_words
      localparam BASE = PCU_PROGRAM_OFFSET + p * PCU_PROGRAM_STRIDE;
      /* verilator lint_off UNUSEDSIGNAL */
      logic [31:0] mode, out, destination, sequence_word, matrix, token;  // fields leave gaps
      /* verilator lint_on UNUSEDSIGNAL */
      logic [31:0] seed;
      logic [191:0] count;
      logic [95:0] pred;
      logic [63:0] scalars;
      config_word #(.ADDRESS(BASE + PCU_PROGRAM_MODE_OFFSET), .RESET(PCU_PROGRAM_MODE_RESET)) mode_word (
          .clk, .rst_n, .cfg_valid, .cfg_word, .cfg_data, .value(mode));
      config_word #(.ADDRESS(BASE + PCU_PROGRAM_OUT_OFFSET), .RESET(PCU_PROGRAM_OUT_RESET)) out_word (
          .clk, .rst_n, .cfg_valid, .cfg_word, .cfg_data, .value(out));
      config_word #(.ADDRESS(BASE + PCU_PROGRAM_DEST_OFFSET), .RESET(PCU_PROGRAM_DEST_RESET)) destination_word (
          .clk, .rst_n, .cfg_valid, .cfg_word, .cfg_data, .value(destination));
      config_word #(.ADDRESS(BASE + PCU_PROGRAM_SEQ_OFFSET), .RESET(PCU_PROGRAM_SEQ_RESET)) seq_word (
          .clk, .rst_n, .cfg_valid, .cfg_word, .cfg_data, .value(sequence_word));
      config_word #(.ADDRESS(BASE + PCU_PROGRAM_MATRIX_OFFSET), .RESET(PCU_PROGRAM_MATRIX_RESET)) matrix_word (
          .clk, .rst_n, .cfg_valid, .cfg_word, .cfg_data, .value(matrix));
      config_word #(.ADDRESS(BASE + PCU_PROGRAM_TOKEN_OFFSET), .RESET(PCU_PROGRAM_TOKEN_RESET)) token_word (
          .clk, .rst_n, .cfg_valid, .cfg_word, .cfg_data, .value(token));
      config_word #(.ADDRESS(BASE + PCU_PROGRAM_SEED_OFFSET), .RESET(PCU_PROGRAM_SEED_RESET)) seed_word (
          .clk, .rst_n, .cfg_valid, .cfg_word, .cfg_data, .value(seed));
      for (n = 0; n < PCU_PROGRAM_COUNT_COUNT; n++) begin : counts
        config_word #(.ADDRESS(BASE + PCU_PROGRAM_COUNT_OFFSET + n * PCU_PROGRAM_COUNT_STRIDE), .RESET(PCU_PROGRAM_COUNT_RESET)) word (
            .clk, .rst_n, .cfg_valid, .cfg_word, .cfg_data, .value(count[32*n+:32]));
      end
      for (n = 0; n < PCU_PROGRAM_PRED_COUNT; n++) begin : predicates
        config_word #(.ADDRESS(BASE + PCU_PROGRAM_PRED_OFFSET + n * PCU_PROGRAM_PRED_STRIDE), .RESET(PCU_PROGRAM_PRED_RESET)) word (
            .clk, .rst_n, .cfg_valid, .cfg_word, .cfg_data, .value(pred[32*n+:32]));
      end
      for (n = 0; n < PCU_PROGRAM_SCALAR_IN_COUNT; n++) begin : scalar_inputs
        config_word #(.ADDRESS(BASE + PCU_PROGRAM_SCALAR_IN_OFFSET + n * PCU_PROGRAM_SCALAR_IN_STRIDE), .RESET(PCU_PROGRAM_SCALAR_IN_RESET)) word (
            .clk, .rst_n, .cfg_valid, .cfg_word, .cfg_data, .value(scalars[32*n+:32]));
      end
    end
    for (i = 0; i < PCU_INPUT_COUNT; i++) begin : input_words
      /* verilator lint_off UNUSEDSIGNAL */
      logic [31:0] word;  // fields leave gaps
      /* verilator lint_on UNUSEDSIGNAL */
      config_word #(.ADDRESS(PCU_INPUT_OFFSET + i * PCU_INPUT_STRIDE), .RESET(PCU_INPUT_RESET)) stored (
          .clk, .rst_n, .cfg_valid, .cfg_word, .cfg_data, .value(word));
    end
  endgenerate

  // ---- which stage and which input belongs to which program ----
  logic [1:0] is_simd;
  logic is_matrix;
  logic [2*STAGES-1:0] begins, belongs, ends;  // first, every, last stage of each program
  logic [4*STAGES-1:0] reads;                  // inputs that a stage reads
  logic [7:0] used;                            // ... that a program's do
  logic [STAGES-1:0] crossing;                        // stages whose operation is the network's
  assign is_matrix = program_words[0].mode[PCU_PROGRAM_MODE_MODE_LSB+:PCU_PROGRAM_MODE_MODE_WIDTH] == PCU_PROGRAM_MODE_MODE_MATRIX;

  /* verilator lint_off UNUSEDSIGNAL */
  function automatic logic [3:0] inputs_read(input logic [31:0] word);  // not all fields
  /* verilator lint_on UNUSEDSIGNAL */
    logic [6:0] op;
    logic [4:0] a, b, c;
    op = word[PCU_STAGE_OP_LSB+:PCU_STAGE_OP_WIDTH];
    a = word[PCU_STAGE_A_LSB+:PCU_STAGE_A_WIDTH];
    b = word[PCU_STAGE_B_LSB+:PCU_STAGE_B_WIDTH];
    c = word[PCU_STAGE_C_LSB+:PCU_STAGE_C_WIDTH];
    for (int j = 0; j < 4; j++) begin
      inputs_read[j] = op != PCU_STAGE_OP_NOP &&
          (a == PCU_STAGE_A_IN0 + 5'(j) || (operation_reads_b(op) && b == PCU_STAGE_A_IN0 + 5'(j)) ||
           ((operation_reads_c(op) || word[PCU_STAGE_ALT_LSB+:PCU_STAGE_ALT_WIDTH] != '0) && c == PCU_STAGE_A_IN0 + 5'(j)));
    end
  endfunction

  generate
    for (p = 0; p < 2; p++) begin : ranges
      logic [3:0] first, stages;
      assign is_simd[p] = program_words[p].mode[PCU_PROGRAM_MODE_MODE_LSB+:PCU_PROGRAM_MODE_MODE_WIDTH] == PCU_PROGRAM_MODE_MODE_SIMD;
      assign first = 4'(program_words[p].mode[PCU_PROGRAM_MODE_FIRST_LSB+:PCU_PROGRAM_MODE_FIRST_WIDTH]);
      assign stages = program_words[p].mode[PCU_PROGRAM_MODE_STAGES_LSB+:PCU_PROGRAM_MODE_STAGES_WIDTH];
      for (k = 0; k < STAGES; k++) begin : range_stage
        assign belongs[STAGES*p+k] = is_simd[p] && 4'(k) >= first && 5'(k) < 5'(first) + 5'(stages);
        assign begins[STAGES*p+k] = is_simd[p] && 4'(k) == first;
        assign ends[STAGES*p+k] = is_simd[p] && 5'(k + 1) == 5'(first) + 5'(stages);
      end
    end
    for (k = 0; k < STAGES; k++) begin : stage_use
      assign reads[4*k+:4] = inputs_read(operation[k].word);
      assign crossing[k] = (belongs[k] || belongs[STAGES+k]) && operation_crosses(operation[k].word[PCU_STAGE_OP_LSB+:PCU_STAGE_OP_WIDTH]);
    end
  endgenerate
  always_comb begin
    used[0+:4] = '0;
    used[4+:4] = '0;
    for (int s = 0; s < STAGES; s++) begin
      if (belongs[s]) used[0+:4] = used[0+:4] | reads[4*s+:4];
      if (belongs[STAGES+s]) used[4+:4] = used[4+:4] | reads[4*s+:4];
    end
  end

  // ---- inputs ----
  logic [3:0] pair, ready, taken;
  logic [7:0] take;
  logic [7:0] input_pred;
  logic [1:0] long_header;
  logic [4*VECTOR-1:0] inputs;
  logic matrix_step;
  generate
    for (i = 0; i < 4; i++) begin : vector_inputs
      /* verilator lint_off UNUSEDSIGNAL */
      logic packet_valid;  // of inputs 0 and 1 alone
      logic [511:0] packet;
      /* verilator lint_on UNUSEDSIGNAL */
      logic program_of;
      assign program_of = input_words[i].word[PCU_INPUT_PROGRAM_LSB];
      assign input_pred[2*i+:2] = input_words[i].word[PCU_INPUT_PRED_LSB+:PCU_INPUT_PRED_WIDTH];
      assign taken[i] = take[i] || take[4+i];
      vector_input #(.LANES(LANES), .DEPTH(FIFO_DEPTH)) fifo (
          .clk, .rst_n, .start, .format(input_words[i].word[PCU_INPUT_FORMAT_LSB+:PCU_INPUT_FORMAT_WIDTH]),
          .long_header(long_header[program_of]), .in_valid(in_valid[i]), .in_data(in_data[512*i+:512]), .in_credit(in_credit[i]),
          .pair(pair[i]), .ready(ready[i]), .take(taken[i]), .value(inputs[VECTOR*i+:VECTOR]), .packet_valid,
          .packet_take(i < 2 ? matrix_step : 1'b0), .packet);
    end
  endgenerate
  assign long_header = {(used[4+:4] & pair) != '0, (used[0+:4] & pair) != '0};

  logic [1:0] scalar_valid, scalar_taken;
  logic [3:0] scalar_take;
  logic [63:0] scalar_data;
  logic [1:0] token_valid;
  logic [3:0] token_take;
  logic [1:0] matrix_token_take;
  assign scalar_taken = scalar_take[0+:2] | scalar_take[2+:2];
  generate
    for (i = 0; i < 2; i++) begin : narrow_inputs
      logic [7:0] tokens;
      /* verilator lint_off PINCONNECTEMPTY */
      fifo #(.WIDTH(32), .DEPTH(SCALAR_DEPTH)) words (
          .clk, .rst_n, .clear(start), .put(sin_valid[i]), .data_in(sin_data[32*i+:32]), .take(scalar_taken[i]),
          .valid(scalar_valid[i]), .data_out(scalar_data[32*i+:32]), .count(), .overflow());
      token_counter counter (
          .clk, .rst_n, .start, .initial_count(8'd0), .give(tok_in[i]), .take(token_take[i] | token_take[2+i] | matrix_token_take[i]),
          .count(tokens), .overflow());
      /* verilator lint_on PINCONNECTEMPTY */
      assign token_valid[i] = tokens != '0;
      always_ff @(posedge clk) sin_credit[i] <= rst_n && scalar_taken[i];
    end
  endgenerate

  // ---- headers ----
  logic tile_step, scalar_place;
  logic [1:0] place, second_place, fire, finished, busy, enter, take_scalar_place;
  logic [3:0] take_places;
  logic [1:0] late_in, late_out, fires_vector;
  logic [2*FIRING_WIDTH-1:0] fired;
  logic [11:0] first, last;
  generate
    for (p = 0; p < 2; p++) begin : programs
      logic [191:0] index;
      /* verilator lint_off PINCONNECTEMPTY */
      counter_chain #(.LEVELS(6), .WIDTH(32)) counters (
          .clk, .rewind(start), .step(fire[p] || (p == 0 && tile_step)), .count(program_words[p].count), .stride(192'b0), .index, .offset(),
          .first(first[6*p+:6]), .last(last[6*p+:6]));
      /* verilator lint_on PINCONNECTEMPTY */
      header control (
          .clk, .rst_n, .start, .enable(is_simd[p]), .out_format(program_words[p].out[PCU_PROGRAM_OUT_FORMAT_LSB+:PCU_PROGRAM_OUT_FORMAT_WIDTH]),
          .out_pred(program_words[p].out[PCU_PROGRAM_OUT_PRED_LSB+:PCU_PROGRAM_OUT_PRED_WIDTH]), .scalar_out(program_words[p].out[PCU_PROGRAM_OUT_SCALAR_LSB]),
          .token_word(program_words[p].token), .pred_words(program_words[p].pred), .scalar_words(program_words[p].scalars),
          .used(used[4*p+:4]), .input_pred, .long_header(long_header[p]), .index, .first(first[6*p+:6]), .last(last[6*p+:6]), .pair, .ready,
          .take(take[4*p+:4]), .scalar_valid, .scalar_data, .scalar_take(scalar_take[2*p+:2]), .token_valid, .token_take(token_take[2*p+:2]),
          .place(place[p]), .second_place(second_place[p]), .scalar_place, .take_places(take_places[2*p+:2]),
          .take_scalar_place(take_scalar_place[p]), .fire(fire[p]), .finished(finished[p]), .busy(busy[p]), .enter(enter[p]),
          .late_in(late_in[p]), .late_out(late_out[p]), .fires_vector(fires_vector[p]),
          .firing(fired[FIRING_WIDTH*p+:FIRING_WIDTH]));
    end
  endgenerate

  // ---- stages and the cross-lane network ----
  logic [2*STAGES-1:0] stage_random_take;
  logic [2*VECTOR-1:0] random_value;
  logic network_in_valid, network_in_crosses, network_valid;
  logic [4:0] network_amount;
  logic [5:0] network_lanes;
  logic [31:0] network_word;
  logic [FIRING_WIDTH-1:0] network_in_firing, network_firing;
  logic [4*VECTOR-1:0] network_in_inputs, network_inputs, network_in_registers, network_registers;
  logic [VECTOR-1:0] network_in_prev, network_prev;
  generate
    for (k = 0; k < STAGES; k++) begin : pipeline
      logic in_valid_here, valid, crosses, random_take;
      logic [4:0] amount;
      logic [FIRING_WIDTH-1:0] in_firing, firing;
      logic [4*VECTOR-1:0] in_inputs, stage_inputs, in_registers, registers;
      logic [VECTOR-1:0] in_prev, prev, random_here;
      if (k == 0) begin : source
        always_comb begin
          in_valid_here = (begins[k] && enter[0]) || (begins[STAGES+k] && enter[1]);
          in_firing = begins[STAGES+k] ? fired[FIRING_WIDTH+:FIRING_WIDTH] : fired[0+:FIRING_WIDTH];
          in_inputs = inputs;
          in_registers = '0;
          in_prev = '0;
        end
      end else begin : source
        always_comb begin
          in_valid_here = 1'b0;
          in_firing = pipeline[k-1].firing;
          in_inputs = pipeline[k-1].stage_inputs;
          in_registers = pipeline[k-1].registers;
          in_prev = pipeline[k-1].prev;
          if (begins[k] || begins[STAGES+k]) begin
            in_valid_here = begins[STAGES+k] ? enter[1] : enter[0];
            in_firing = begins[STAGES+k] ? fired[FIRING_WIDTH+:FIRING_WIDTH] : fired[0+:FIRING_WIDTH];
            in_inputs = inputs;
            in_registers = '0;
            in_prev = '0;
          end else if (belongs[k] || belongs[STAGES+k]) begin
            in_valid_here = crossing[k-1] ? network_valid : pipeline[k-1].valid;
            if (crossing[k-1]) begin
              in_firing = network_firing;
              in_inputs = network_inputs;
              in_registers = network_registers;
              in_prev = network_prev;
            end
          end
        end
      end
      assign random_here = belongs[STAGES+k] ? random_value[VECTOR+:VECTOR] : random_value[0+:VECTOR];
      stage #(.LANES(LANES)) compute (
          .clk, .rst_n, .start, .word(operation[k].word), .constants, .in_valid(in_valid_here), .in_firing, .in_inputs, .in_registers,
          .in_prev, .random(random_here), .random_take, .valid, .firing, .inputs(stage_inputs), .registers, .prev, .crosses, .amount);
      assign stage_random_take[2*k+:2] = {random_take && belongs[STAGES+k], random_take && belongs[k]};
    end
  endgenerate

  logic [STAGES-1:0] stage_valid, stage_crosses;
  logic [5*STAGES-1:0] stage_amount;
  logic [STAGES*FIRING_WIDTH-1:0] stage_firing;
  logic [STAGES*4*VECTOR-1:0] stage_inputs, stage_registers;
  logic [STAGES*VECTOR-1:0] stage_prev;
  logic [STAGES*32-1:0] stage_words;
  generate
    for (k = 0; k < STAGES; k++) begin : collect
      assign stage_valid[k] = pipeline[k].valid;
      assign stage_crosses[k] = pipeline[k].crosses;
      assign stage_amount[5*k+:5] = pipeline[k].amount;
      assign stage_firing[FIRING_WIDTH*k+:FIRING_WIDTH] = pipeline[k].firing;
      assign stage_inputs[4*VECTOR*k+:4*VECTOR] = pipeline[k].stage_inputs;
      assign stage_registers[4*VECTOR*k+:4*VECTOR] = pipeline[k].registers;
      assign stage_prev[VECTOR*k+:VECTOR] = pipeline[k].prev;
      assign stage_words[32*k+:32] = operation[k].word;
    end
  endgenerate
  always_comb begin
    network_word = '0;
    network_lanes = '0;
    network_in_valid = 1'b0;
    network_in_crosses = 1'b0;
    network_amount = '0;
    network_in_firing = '0;
    network_in_inputs = '0;
    network_in_registers = '0;
    network_in_prev = '0;
    for (int s = 0; s < STAGES; s++) begin
      if (crossing[s]) begin
        network_word = stage_words[32*s+:32];
        network_lanes = belongs[STAGES+s] ? program_words[1].mode[PCU_PROGRAM_MODE_LANES_LSB+:PCU_PROGRAM_MODE_LANES_WIDTH] :
                                        program_words[0].mode[PCU_PROGRAM_MODE_LANES_LSB+:PCU_PROGRAM_MODE_LANES_WIDTH];
        if (stage_valid[s]) begin
          network_in_valid = 1'b1;
          network_in_crosses = stage_crosses[s];
          network_amount = stage_amount[5*s+:5];
          network_in_firing = stage_firing[FIRING_WIDTH*s+:FIRING_WIDTH];
          network_in_inputs = stage_inputs[4*VECTOR*s+:4*VECTOR];
          network_in_registers = stage_registers[4*VECTOR*s+:4*VECTOR];
          network_in_prev = stage_prev[VECTOR*s+:VECTOR];
        end
      end
    end
  end
  cross_lane #(.LANES(LANES)) network (
      .clk, .rst_n, .start, .word(network_word), .active_lanes(network_lanes), .in_valid(network_in_valid), .in_crosses(network_in_crosses),
      .in_amount(network_amount), .in_firing(network_in_firing), .in_inputs(network_in_inputs), .in_registers(network_in_registers),
      .in_prev(network_in_prev), .valid(network_valid), .firing(network_firing), .inputs(network_inputs), .registers(network_registers),
      .prev(network_prev));

  // ---- matrix mode ----
  logic step_first, step_last, step_set, step_late_in, step_late_out, tile_ends, working, row_set, drain, drain_second, drain_signal, matrix_finished;
  logic [$clog2(STAGES+1)-1:0] row_number;
  logic [VECTOR-1:0] row;
  logic [1:0] out_pair;  // a vector of the program's output is two packets
  matrix_control #(.STAGES(STAGES)) tiles (
      .clk, .rst_n, .start, .enable(is_matrix), .steps(program_words[0].matrix[PCU_PROGRAM_MATRIX_K_LSB+:PCU_PROGRAM_MATRIX_K_WIDTH]),
      .rows(program_words[0].matrix[PCU_PROGRAM_MATRIX_ROWS_LSB+:PCU_PROGRAM_MATRIX_ROWS_WIDTH]), .token_word(program_words[0].token),
      .pair(out_pair[0]), .first(first[0+:6]), .last(last[0+:6]), .tile_step, .packets_there(vector_inputs[0].packet_valid && vector_inputs[1].packet_valid), .token_valid,
      .token_take(matrix_token_take), .step(matrix_step), .step_first, .step_last, .step_set, .late_in(step_late_in), .late_out(step_late_out), .ends(tile_ends), .row_set, .row_number,
      .place(place[0]), .drain, .drain_second, .drain_signal, .finished(matrix_finished));
  systolic #(.LANES(LANES), .STAGES(STAGES)) array (
      .clk, .rst_n, .start, .integers(program_words[0].matrix[PCU_PROGRAM_MATRIX_TYPE_LSB+:PCU_PROGRAM_MATRIX_TYPE_WIDTH] == PCU_PROGRAM_MATRIX_TYPE_INT8),
      .step(matrix_step), .step_first, .step_last, .step_set, .step_lanes(vector_inputs[0].packet[16*LANES-1:0]),
      .step_rows(vector_inputs[1].packet[16*STAGES-1:0]), .working, .ends(tile_ends), .row_set, .row_number, .row);

  // ---- tail ----
  // What leaves the last stage, or a row of the array, is: a packet, its upper half; the scalar output's word; with it a token goes;
  // the firing's last. The upper half of a vector of two packets follows in the next cycle.
  localparam FLAGS = 5;
  localparam PACKET = 0;
  localparam UPPER = 1;
  localparam SCALAR = 2;
  localparam SIGNAL = 3;
  localparam RETIRES = 4;
  logic [2*FLAGS-1:0] exit_flags;
  logic [FLAGS-1:0] tail_in_flags, tail_flags;
  logic [2*VECTOR-1:0] exit_value;
  logic [VECTOR-1:0] tail_in_value, tail_value;
  logic [3:0] tail_select;
  logic [1:0] has_tail, output_scalar;
  logic tail_working;
  generate
    for (p = 0; p < 2; p++) begin : exits
      logic valid, second, send, signal, halves;
      logic [2:0] format;
      assign format = program_words[p].out[PCU_PROGRAM_OUT_FORMAT_LSB+:PCU_PROGRAM_OUT_FORMAT_WIDTH];
      assign output_scalar[p] = program_words[p].out[PCU_PROGRAM_OUT_SCALAR_LSB];
      assign out_pair[p] = format == PCU_PROGRAM_OUT_FORMAT_FP32 || format == PCU_PROGRAM_OUT_FORMAT_INT32;
      assign has_tail[p] = program_words[p].mode[PCU_PROGRAM_MODE_TAIL_LSB+:PCU_PROGRAM_MODE_TAIL_WIDTH] != PCU_PROGRAM_MODE_TAIL_NONE;
      always_ff @(posedge clk) second <= rst_n && !start && valid && halves;
      always_comb begin
        valid = 1'b0;
        send = 1'b0;
        signal = 1'b0;
        exit_value[VECTOR*p+:VECTOR] = '0;
        for (int s = 0; s < STAGES; s++) begin
          if (ends[STAGES*p+s]) begin
            valid = crossing[s] ? network_valid : stage_valid[s];
            send = crossing[s] ? network_firing[FIRING_SEND] : stage_firing[FIRING_WIDTH*s+FIRING_SEND];
            signal = crossing[s] ? network_firing[FIRING_SIGNAL] : stage_firing[FIRING_WIDTH*s+FIRING_SIGNAL];
            if (valid || second) exit_value[VECTOR*p+:VECTOR] = crossing[s] ? network_prev : stage_prev[VECTOR*s+:VECTOR];
          end
        end
        halves = send && out_pair[p] && !output_scalar[p];
        exit_flags[FLAGS*p+:FLAGS] = '0;
        exit_flags[FLAGS*p+PACKET] = valid && send && !output_scalar[p] || second;
        exit_flags[FLAGS*p+UPPER] = second;
        exit_flags[FLAGS*p+SCALAR] = valid && send && output_scalar[p];
        exit_flags[FLAGS*p+SIGNAL] = valid && signal;
        exit_flags[FLAGS*p+RETIRES] = valid && !halves || second;
        if (p == 0 && is_matrix) begin
          exit_flags[FLAGS*p+:FLAGS] = '0;
          exit_flags[FLAGS*p+PACKET] = drain;
          exit_flags[FLAGS*p+UPPER] = drain && drain_second;
          exit_flags[FLAGS*p+SIGNAL] = drain_signal;
          exit_value[VECTOR*p+:VECTOR] = row;
        end
      end
    end
  endgenerate
  assign tail_select = has_tail[1] ? program_words[1].mode[PCU_PROGRAM_MODE_TAIL_LSB+:PCU_PROGRAM_MODE_TAIL_WIDTH] :
                                     program_words[0].mode[PCU_PROGRAM_MODE_TAIL_LSB+:PCU_PROGRAM_MODE_TAIL_WIDTH];
  assign tail_in_flags = has_tail[1] ? exit_flags[FLAGS+:FLAGS] : exit_flags[0+:FLAGS];
  assign tail_in_value = has_tail[1] ? exit_value[VECTOR+:VECTOR] : exit_value[0+:VECTOR];
  tail #(
      .LANES(LANES), .FLAGS(FLAGS), .EXP_CYCLES(EXP_CYCLES), .RECIP_CYCLES(RECIP_CYCLES), .TAIL_CYCLES(TAIL_CYCLES))
  functions (
      .clk, .rst_n, .start, .select(tail_select), .in_flags(tail_in_flags), .in_value(tail_in_value), .flags(tail_flags),
      .value(tail_value), .working(tail_working));

  // ---- outputs ----
  logic [1:0] retires, output_empty, scalar_put;
  logic [63:0] scalar_word;
  generate
    for (p = 0; p < 2; p++) begin : outputs
      logic random_take;
      logic [STAGES-1:0] random_takes;
      logic [FLAGS-1:0] flags;
      logic [VECTOR-1:0] value;
      assign flags = has_tail[p] ? tail_flags : exit_flags[FLAGS*p+:FLAGS];
      assign value = has_tail[p] ? tail_value : exit_value[VECTOR*p+:VECTOR];
      vector_output #(.LANES(LANES), .DEPTH(OUTPUT_DEPTH)) queue (
          .clk, .rst_n, .start, .format(program_words[p].out[PCU_PROGRAM_OUT_FORMAT_LSB+:PCU_PROGRAM_OUT_FORMAT_WIDTH]),
          .active_lanes(program_words[p].mode[PCU_PROGRAM_MODE_LANES_LSB+:PCU_PROGRAM_MODE_LANES_WIDTH]),
          .sequenced(program_words[p].out[PCU_PROGRAM_OUT_SEQUENCE_LSB]),
          .flow(program_words[p].out[PCU_PROGRAM_OUT_DYNAMIC_LSB] ? 3'd7 : program_words[p].out[PCU_PROGRAM_OUT_FLOW_LSB+:PCU_PROGRAM_OUT_FLOW_WIDTH]),
          .sequence_word(program_words[p].sequence_word),
          .destination(program_words[p].out[PCU_PROGRAM_OUT_DYNAMIC_LSB] ? program_words[p].destination[20:0] : 21'b0),
          .put(flags[PACKET]), .upper(flags[UPPER]), .value, .random(random_value[VECTOR*p+:VECTOR]), .random_take, .place(place[p]),
          .second_place(second_place[p]), .take_places(p == 0 && is_matrix ? {1'b0, drain} : take_places[2*p+:2]), .empty(output_empty[p]),
          .out_valid(out_valid[p]), .out_data(out_data[512*p+:512]), .out_head(out_head[40*p+:40]), .out_credit(out_credit[p]),
          .out_init(out_init[16*p+:16]));
      assign scalar_put[p] = flags[SCALAR];
      assign scalar_word[32*p+:32] = value[31:0];
      assign retires[p] = flags[RETIRES];
      always_ff @(posedge clk) tok_out[p] <= rst_n && !start && flags[SIGNAL];

      for (k = 0; k < STAGES; k++) begin : takes
        assign random_takes[k] = stage_random_take[2*k+p];
      end
      random_lanes #(.LANES(LANES)) generator (
          .clk, .start, .seed(program_words[p].seed), .take(random_take || |random_takes), .value(random_value[VECTOR*p+:VECTOR]));
    end
  endgenerate

  logic scalar_empty;
  logic [$clog2(OUTPUT_DEPTH+1)-1:0] scalar_free;
  output_queue #(.WIDTH(34), .DEPTH(OUTPUT_DEPTH), .MOST(1)) scalar_queue (
      .clk, .rst_n, .start, .init(sout_init), .free(scalar_free), .take_places(|take_scalar_place), .put(|scalar_put),
      .put_data(scalar_put[1] ? {program_words[1].out[PCU_PROGRAM_OUT_FLOW_LSB+:2], scalar_word[32+:32]} :
                                {program_words[0].out[PCU_PROGRAM_OUT_FLOW_LSB+:2], scalar_word[0+:32]}),
      .valid(sout_valid), .data({sout_flow, sout_data}), .credit(sout_credit), .empty(scalar_empty));
  assign scalar_place = scalar_free != '0;

  // ---- activity ----
  generate
    for (p = 0; p < 2; p++) begin : activity
      logic steps, begins;
      logic [3:0] vectors;
      always_comb begin
        steps = p == 0 && matrix_step;
        begins = fire[p] || steps;
        vectors = {3'b0, fire[p] && fires_vector[p]};
        if (p == 0 && tile_step) vectors = program_words[0].matrix[PCU_PROGRAM_MATRIX_ROWS_LSB+:PCU_PROGRAM_MATRIX_ROWS_WIDTH];
      end
      always_ff @(posedge clk) begin
        perf[20*p+:20] <= '0;
        if (rst_n && !start) begin
          perf[20*p] <= begins || busy[p];
          perf[20*p+1] <= begins;
          perf[20*p+2] <= begins;
          perf[20*p+3] <= steps ? step_late_in : late_in[p];
          perf[20*p+4] <= steps ? step_late_out : late_out[p];
          perf[20*p+6+:4] <= vectors;
        end
      end
    end
  endgenerate

  // ---- state ----
  logic [13:0] in_flight;
  generate
    for (p = 0; p < 2; p++) begin : flights
      always_ff @(posedge clk) begin
        if (!rst_n || start) in_flight[7*p+:7] <= '0;
        else in_flight[7*p+:7] <= in_flight[7*p+:7] + 7'(fire[p]) - 7'(retires[p]);
      end
    end
  endgenerate
  logic quiet;
  assign quiet = in_flight == '0 && !working && !tail_working && out_valid == '0 && !sout_valid;
  assign done = finished == 2'b11 && matrix_finished && quiet && output_empty == 2'b11 && scalar_empty;
  assign idle = quiet && fire == '0 && busy == '0 && !matrix_step && !drain && in_credit == '0 && sin_credit == '0 && tok_out == '0;
endmodule
