// Control of matrix mode: takes steps, counts tiles, drains them. Rules: models/fabric/pcu/README.md, "Time of matrix mode".
`include "pcu.svh"

module matrix_control #(
    parameter STAGES = 6
) (
    input  logic        clk,
    input  logic        rst_n,
    input  logic        start,
    input  logic        enable,
    input  logic [23:0] steps,           // of a tile: K
    input  logic [3:0]  rows,
    input  logic [31:0] token_word,
    input  logic        pair,            // a row is two packets
    // counters of tiles
    input  logic [5:0]  first,
    input  logic [5:0]  last,
    output logic        tile_step,
    // operands
    input  logic        packets_there,
    input  logic [1:0]  token_valid,
    output logic [1:0]  token_take,
    output logic        step,
    output logic        step_first,
    output logic        step_last,
    output logic        step_set,
    output logic        late_in,         // in the cycle before packets or a token were missing
    output logic        late_out,        // ... or a set of accumulators
    // array
    input  logic        ends,
    output logic        row_set,
    output logic [$clog2(STAGES+1)-1:0] row_number,
    // a packet of a row goes to the tail
    input  logic        place,
    output logic        drain,
    output logic        drain_second,    // the upper half
    output logic        drain_signal,    // the last of a tile that sends a token
    output logic        finished         // all tiles have drained
);
  localparam ROW = $clog2(STAGES + 1);

  logic running;
  logic [23:0] k;
  logic [1:0] tiles, ready;  // begun, or accumulated, and not drained
  logic [1:0] signals;       // of the tile in each set
  logic wants_token, token_input, free;

  assign wants_token = token_word[PCU_PROGRAM_TOKEN_WAIT_LSB] &&
                       first[token_word[PCU_PROGRAM_TOKEN_WAIT_LEVEL_LSB+:PCU_PROGRAM_TOKEN_WAIT_LEVEL_WIDTH]];
  assign token_input = token_word[PCU_PROGRAM_TOKEN_WAIT_INPUT_LSB];
  assign step_first = k == '0;
  assign step_last = k + 24'd1 == steps;
  logic operands_there;
  assign free = !step_first || tiles != 2'd2;
  assign operands_there = packets_there && (!step_first || !wants_token || token_valid[token_input]);
  assign step = running && operands_there && free;
  always_ff @(posedge clk) begin
    late_in <= !operands_there;
    late_out <= !free;
  end
  assign token_take = step && step_first && wants_token ? 2'b01 << token_input : '0;
  assign tile_step = step && step_last;

  logic last_row, last_packet;
  assign last_row = 32'(row_number) + 32'd1 == 32'(rows);
  assign drain = ready != '0 && place;
  assign last_packet = drain && last_row && (drain_second || !pair);
  assign drain_signal = last_packet && signals[row_set];
  assign finished = !running && tiles == '0;

  always_ff @(posedge clk) begin
    if (tile_step) signals[step_set] <= token_word[PCU_PROGRAM_TOKEN_SIGNAL_LSB] &&
                       last[token_word[PCU_PROGRAM_TOKEN_SIGNAL_LEVEL_LSB+:PCU_PROGRAM_TOKEN_SIGNAL_LEVEL_WIDTH]];
    if (!rst_n || start) begin
      running <= rst_n && enable;
      k <= '0;
      tiles <= '0;
      ready <= '0;
      step_set <= 1'b0;
      row_set <= 1'b0;
      row_number <= '0;
      drain_second <= 1'b0;
    end else begin
      if (step) k <= step_last ? '0 : k + 24'd1;
      if (tile_step) begin
        step_set <= !step_set;
        if (last[5]) running <= 1'b0;
      end
      tiles <= tiles + {1'b0, step && step_first} - {1'b0, last_packet};
      ready <= ready + {1'b0, ends} - {1'b0, last_packet};
      if (drain) drain_second <= pair && !drain_second;
      if (drain && (drain_second || !pair)) row_number <= last_row ? '0 : row_number + ROW'(1);
      if (last_packet) row_set <= !row_set;
    end
  end
endmodule
