// Header of a SIMD program: decides in each cycle whether the program fires, what the firing takes, and what is known of it.
// Rules: models/fabric/pcu/README.md, "A program" and "Time of SIMD".
`include "firing.svh"

module header (
    input  logic                    clk,
    input  logic                    rst_n,
    input  logic                    start,
    input  logic                    enable,           // the unit holds this program
    // configuration
    input  logic [2:0]              out_format,
    input  logic [1:0]              out_pred,
    input  logic                    scalar_out,
    input  logic [31:0]             token_word,
    input  logic [95:0]             pred_words,
    input  logic [63:0]             scalar_words,
    input  logic [3:0]              used,             // inputs that its stages read
    input  logic [7:0]              input_pred,       // predicate by which each takes
    input  logic                    long_header,
    // counters
    input  logic [191:0]            index,
    input  logic [5:0]              first,
    input  logic [5:0]              last,
    // inputs
    input  logic [3:0]              pair,
    input  logic [3:0]              ready,
    output logic [3:0]              take,
    input  logic [1:0]              scalar_valid,
    input  logic [63:0]             scalar_data,
    output logic [1:0]              scalar_take,
    input  logic [1:0]              token_valid,
    output logic [1:0]              token_take,
    // places in the output FIFOs: for one packet from now on, for a second in the next cycle
    input  logic                    place,
    input  logic                    second_place,
    input  logic                    scalar_place,
    output logic [1:0]              take_places,
    output logic                    take_scalar_place,
    // what happens
    output logic                    fire,
    output logic                    finished,         // all firings have been
    output logic                    busy,             // the last firing's cost is not paid
    output logic                    enter,            // its vectors are there: it enters the first stage
    output logic                    late_in,          // in the cycle before packets, words or a token were missing
    output logic                    late_out,         // ... or places
    output logic                    fires_vector,     // the firing makes a vector
    output logic [FIRING_WIDTH-1:0] firing
);
  logic running;
  logic [63:0] kept, scalars;
  logic [3:0] pred, wants;
  logic [1:0] wants_scalar;
  logic wants_token, sends, sends_pair, long_firing;

  // A word of a scalar input stays until the next is taken.
  always_comb begin
    for (int s = 0; s < 2; s++) begin
      wants_scalar[s] = scalar_words[32*s+PCU_PROGRAM_SCALAR_IN_ENABLE_LSB] &&
                        first[scalar_words[32*s+PCU_PROGRAM_SCALAR_IN_LEVEL_LSB+:PCU_PROGRAM_SCALAR_IN_LEVEL_WIDTH]];
      scalars[32*s+:32] = wants_scalar[s] ? scalar_data[32*s+:32] : kept[32*s+:32];
    end
  end

  function automatic logic holds(input logic [31:0] word);
    logic [2:0] level;
    logic [31:0] counter;
    logic is_so;
    level = word[PCU_PROGRAM_PRED_LEVEL_LSB+:PCU_PROGRAM_PRED_LEVEL_WIDTH];
    counter = index[32*level+:32];
    case (word[PCU_PROGRAM_PRED_KIND_LSB+:PCU_PROGRAM_PRED_KIND_WIDTH])
      PCU_PROGRAM_PRED_KIND_FIRST: is_so = first[level];
      PCU_PROGRAM_PRED_KIND_LAST: is_so = last[level];
      PCU_PROGRAM_PRED_KIND_EQ: is_so = counter == 32'(word[PCU_PROGRAM_PRED_VALUE_LSB+:PCU_PROGRAM_PRED_VALUE_WIDTH]);
      PCU_PROGRAM_PRED_KIND_LT: is_so = counter < 32'(word[PCU_PROGRAM_PRED_VALUE_LSB+:PCU_PROGRAM_PRED_VALUE_WIDTH]);
      PCU_PROGRAM_PRED_KIND_SCALAR: is_so = scalars[32*level[0]+:32] != '0;
      default: is_so = 1'b1;
    endcase
    holds = is_so ^ word[PCU_PROGRAM_PRED_NOT_LSB];
  endfunction

  assign pred = {holds(pred_words[64+:32]), holds(pred_words[32+:32]), holds(pred_words[0+:32]), 1'b1};

  always_comb begin
    for (int i = 0; i < 4; i++) wants[i] = used[i] && pred[input_pred[2*i+:2]];
  end
  assign wants_token = token_word[PCU_PROGRAM_TOKEN_WAIT_LSB] &&
                       first[token_word[PCU_PROGRAM_TOKEN_WAIT_LEVEL_LSB+:PCU_PROGRAM_TOKEN_WAIT_LEVEL_WIDTH]];

  // What it sends.
  assign sends = pred[out_pred];
  assign sends_pair = sends && !scalar_out && (out_format == PCU_PROGRAM_OUT_FORMAT_FP32 || out_format == PCU_PROGRAM_OUT_FORMAT_INT32);

  logic inputs_there, scalars_there, token_there, room;
  logic token_input;
  assign token_input = token_word[PCU_PROGRAM_TOKEN_WAIT_INPUT_LSB];
  assign inputs_there = (wants & ~ready) == '0;
  assign scalars_there = (wants_scalar & ~scalar_valid) == '0;
  assign token_there = !wants_token || token_valid[token_input];
  assign room = !sends || (scalar_out ? scalar_place : place && (second_place || !sends_pair));

  assign finished = !running;
  assign fire = running && !busy && inputs_there && scalars_there && token_there && room;
  assign take = fire ? wants : '0;
  assign scalar_take = fire ? wants_scalar : '0;
  assign token_take = fire && wants_token ? 2'b01 << token_input : '0;
  assign take_places = fire && sends && !scalar_out ? (sends_pair ? 2'd2 : 2'd1) : '0;
  assign take_scalar_place = fire && sends && scalar_out;
  assign long_firing = sends_pair || (wants & pair) != '0;

  assign fires_vector = sends;
  always_ff @(posedge clk) begin
    late_in <= !(inputs_there && scalars_there && token_there);
    late_out <= !room;
  end

  // The firing, for as long as its packets take.
  logic [FIRING_WIDTH-1:0] now, waiting;
  logic enter_late;
  always_comb begin
    now = '0;
    now[FIRING_PRED+:4] = pred;
    now[FIRING_SEND] = sends;
    now[FIRING_SIGNAL] = token_word[PCU_PROGRAM_TOKEN_SIGNAL_LSB] &&
                         last[token_word[PCU_PROGRAM_TOKEN_SIGNAL_LEVEL_LSB+:PCU_PROGRAM_TOKEN_SIGNAL_LEVEL_WIDTH]];
    now[FIRING_SCALARS+:64] = scalars;
    now[FIRING_COUNTS+:192] = index;
  end

  always_ff @(posedge clk) begin
    if (fire) begin
      kept <= scalars;
      waiting <= now;
    end
    if (long_header) firing <= waiting;
    else if (fire) firing <= now;
    if (start) kept <= '0;
    if (!rst_n) begin
      running <= 1'b0;
      busy <= 1'b0;
      enter_late <= 1'b0;
      enter <= 1'b0;
    end else if (start) begin
      running <= enable;
      busy <= 1'b0;
      enter_late <= 1'b0;
      enter <= 1'b0;
    end else begin
      if (fire && last[5]) running <= 1'b0;
      busy <= fire && long_firing;
      enter_late <= fire;
      enter <= long_header ? enter_late : fire;
    end
  end
endmodule
