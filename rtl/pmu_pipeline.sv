// A write or read pipeline of a PMU (models/fabric/pmu/README.md): goes through its fills and accesses; in each of an access' slots
// every bank serves one word, for all lanes that touch it.
//
// An access begins in a slot in which all that it needs is there, and takes that: packet, last indices, place, tokens, scalar. It
// goes on, a slot at a time, until no lane is left. Counters step in its last slot.
`include "pmu.svh"

module pmu_pipeline #(
  parameter int WRITE = 1,
  parameter int BANKS = 16,
  parameter int LANES = 64,
  parameter int ADDRESS_BITS = 19   // of a byte in the scratchpad
) (
  input  logic         clk,
  input  logic         rst_n,
  input  logic         start,
  // configuration words of the pipeline's group
  input  logic         cfg_valid,
  input  logic [4:0]   cfg_word,
  input  logic [31:0]  cfg_data,
  input  logic [4:0]   shift,          // BANK.SHIFT, SKEW
  input  logic [4:0]   skew,
  output logic         enable,
  output logic [1:0]   data_input,     // which vector input
  output logic [1:0]   index_input,
  output logic [23:0]  out_head,       // flow id and destination of a read's vectors
  // what an access waits for and takes
  input  logic         slot,
  input  logic         slow,           // slots are every other cycle
  input  logic [7:0]   tokens,         // there are some of this one
  output logic [7:0]   tokens_taken,
  input  logic         data_valid,
  input  logic [511:0] data,
  input  logic [15:0]  data_sequence,
  output logic         data_taken,
  input  logic         index_valid,
  input  logic [511:0] index_data,
  output logic         index_taken,
  input  logic         scalar_valid,
  input  logic [31:0]  scalar,
  output logic         scalar_taken,
  input  logic         place,
  output logic         place_taken,
  // banks
  output logic [BANKS-1:0]    bank_valid,
  output logic [BANKS*(ADDRESS_BITS-2)-1:0] bank_word,
  output logic [BANKS*4-1:0]  bank_bytes,    // which bytes are written
  output logic [BANKS*32-1:0] bank_written,
  /* verilator lint_off UNUSEDSIGNAL */        // of a read
  input  logic [BANKS*32-1:0] bank_read,
  /* verilator lint_on UNUSEDSIGNAL */
  // what comes of it
  output logic         vector_valid,
  output logic [511:0] vector_data,
  output logic [15:0]  vector_sequence,
  output logic [7:0]   tokens_given,
  output logic [1:0]   tokens_sent,
  output logic         finished,
  output logic [18:0]  did,            // in the cycle before: what `perf` of the unit shows of it
  output logic         busy            // something can change without an input
);
  /*verilator no_inline_module*/
  localparam int WAW = ADDRESS_BITS - 2;
  localparam int BW = BANKS > 1 ? $clog2(BANKS) : 1;
  localparam int PADDED = 512 + 32;  // a lane's element may be read as a word

  // What a write or a read does not use is not built.
  /* verilator lint_off UNUSEDSIGNAL */

  // ---- configuration: the words of a write and a read pipeline lie alike
  logic [32*32-1:0] words;
  always_ff @(posedge clk) begin
    if (!rst_n) begin
      words <= '0;
      words[PMU_WRITE_SHAPE_OFFSET*8 +: 32] <= PMU_WRITE_SHAPE_RESET;
      words[PMU_WRITE_LANE_STRIDE_OFFSET*8 +: 32] <= PMU_WRITE_LANE_STRIDE_RESET;
      words[PMU_WRITE_BUFFERS_OFFSET*8 +: 32] <= PMU_WRITE_BUFFERS_RESET;
      words[PMU_READ_SEQ_OFFSET*8 +: 32] <= PMU_READ_SEQ_RESET;
    end else if (cfg_valid) begin
      words[32'(cfg_word)*32 +: 32] <= cfg_data;
    end
  end

  wire [31:0] mode = words[PMU_WRITE_MODE_OFFSET*8 +: 32];
  wire [31:0] shape = words[PMU_WRITE_SHAPE_OFFSET*8 +: 32];
  wire [31:0] buffers = words[PMU_WRITE_BUFFERS_OFFSET*8 +: 32];
  wire [31:0] token = words[PMU_WRITE_TOKEN_OFFSET*8 +: 32];
  wire [31:0] seq = words[PMU_READ_SEQ_OFFSET*8 +: 32];
  wire [31:0] out = words[PMU_READ_OUT_OFFSET*8 +: 32];
  wire [31:0] dest = words[PMU_READ_DEST_OFFSET*8 +: 32];
  wire [31:0] lane_stride = words[PMU_WRITE_LANE_STRIDE_OFFSET*8 +: 32];
  wire [31:0] base = words[PMU_WRITE_BASE_OFFSET*8 +: 32];
  wire [31:0] fills = words[PMU_WRITE_FILLS_OFFSET*8 +: 32];
  wire [31:0] buffer_size = words[PMU_WRITE_BUFFER_SIZE_OFFSET*8 +: 32];
  wire [31:0] index_stride = words[PMU_WRITE_INDEX_STRIDE_OFFSET*8 +: 32];
  wire [31:0] range_low = words[PMU_WRITE_RANGE_LOW_OFFSET*8 +: 32];
  wire [31:0] range_high = words[PMU_WRITE_RANGE_HIGH_OFFSET*8 +: 32];
  wire [31:0] pred_value = words[PMU_WRITE_PRED_VALUE_OFFSET*8 +: 32];

  wire [1:0] address_mode = mode[PMU_WRITE_MODE_ADDRESS_LSB +: 2];
  wire uses_sequence = WRITE != 0 && address_mode == PMU_WRITE_MODE_ADDRESS_SEQUENCE;
  wire uses_scalar = WRITE == 0 && address_mode == PMU_READ_MODE_ADDRESS_SCALAR;
  wire [1:0] range = mode[PMU_WRITE_MODE_RANGE_LSB +: 2];
  wire range_off = range == PMU_WRITE_MODE_RANGE_OFF;
  wire range_zero = WRITE == 0 && range == PMU_READ_MODE_RANGE_ZERO;
  wire [1:0] pred_kind = mode[PMU_WRITE_MODE_PRED_LSB +: 2];
  wire [2:0] pred_level = mode[PMU_WRITE_MODE_PRED_LEVEL_LSB +: 3];
  wire [6:0] lanes = shape[PMU_WRITE_SHAPE_LANES_LSB +: 7];
  wire [1:0] element = shape[PMU_WRITE_SHAPE_ELEMENT_LSB +: 2];  // its size is 1 << element
  wire [7:0] waits = token[PMU_WRITE_TOKEN_WAIT_LSB +: 8];
  wire [2:0] index_packets = 3'((8'(lanes) + 8'd15) >> 4);

  assign enable = mode[PMU_WRITE_MODE_ENABLE_LSB];
  assign data_input = mode[PMU_WRITE_MODE_DATA_LSB +: 2];
  wire uses_index = address_mode == PMU_WRITE_MODE_ADDRESS_INDEX;
  assign index_input = mode[PMU_WRITE_MODE_INDEX_LSB +: 2];
  wire dynamic = out[PMU_READ_OUT_DYNAMIC_LSB];
  assign out_head = dynamic ? {3'd7, dest[20:0]} : {out[PMU_READ_OUT_FLOW_LSB +: 3], 21'b0};

  // ---- where it is
  logic running;                 // an execution has started
  logic [31:0] fill;
  logic [4:0] buffer;
  logic [31:0] buffer_start;
  logic [15:0] sequence_id;      // of the next vector
  logic in_access;               // it has begun and is not over
  logic [LANES-1:0] remaining;   // its lanes that have not been served
  logic [2:0] indices_taken;     // packets of the next access
  // What it took.
  logic [511:0] held_packet;
  logic [15:0] held_sequence;
  logic [31:0] held_scalar;
  logic [4*512-1:0] held_indices;
  logic held_sends;
  logic [PADDED-1:0] partial;    // of its vector

  logic step;                    // the last slot of an access
  logic [5:0] first;
  logic [5:0] last;
  logic [6*32-1:0] index;
  logic [31:0] counted;
  counter_chain #(.LEVELS(6), .WIDTH(32)) counters (
    .clk, .rewind(start), .step, .count(words[PMU_WRITE_COUNT_OFFSET*8 +: 6*32]), .stride(words[PMU_WRITE_STRIDE_OFFSET*8 +: 6*32]),
    .index, .offset(counted), .first, .last);
  wire begins_fill = first[5];
  wire ends_fill = last[5];

  assign finished = !enable || (running && fill == fills);

  // ---- the access as a whole
  wire [31:0] scalar_now = begins_fill && !in_access ? scalar : held_scalar;
  wire [15:0] sequence_now = in_access ? held_sequence : data_sequence;
  wire [31:0] offset = counted + (uses_sequence ? {16'b0, sequence_now} * index_stride : 32'b0) + (uses_scalar ? scalar_now * index_stride : 32'b0);

  function automatic logic in_range(input logic [31:0] x, input logic [31:0] low, input logic [31:0] high);
    in_range = $signed(x) >= $signed(low) && $signed(x) < $signed(high);
  endfunction

  wire [31:0] level_index = index[32'(pred_level)*32 +: 32];
  wire pred_holds = (pred_kind == PMU_WRITE_MODE_PRED_ALWAYS || (pred_kind == PMU_WRITE_MODE_PRED_EQ && level_index == pred_value) ||
                     (pred_kind == PMU_WRITE_MODE_PRED_LT && level_index < pred_value)) != mode[PMU_WRITE_MODE_NOT_LSB];
  wire whole_inside = range_off || in_range(offset, range_low, range_high);
  wire sends = WRITE == 0 && pred_holds && (whole_inside || range_zero || uses_index);

  wire live = running && !finished && !in_access;
  wire can_begin = live && (!begins_fill || (waits & ~tokens) == '0) && (!begins_fill || !uses_scalar || scalar_valid) &&
                   (WRITE == 0 || data_valid) && (!uses_index || (indices_taken == index_packets - 1'b1 && index_valid)) && (!sends || place);
  wire can_take_index = live && uses_index && indices_taken != index_packets - 1'b1 && index_valid;
  wire begins = slot && can_begin;
  wire takes_index = slot && can_take_index;
  wire acts = begins || (slot && in_access);

  // What it lacks, in the slot before this one too: one or two cycles ago.
  wire takes_beforehand = uses_index && indices_taken != index_packets - 1'b1;
  wire lacks_input = (uses_index && !index_valid) ||
                     (!takes_beforehand && ((WRITE != 0 && !data_valid) || (begins_fill && uses_scalar && !scalar_valid)));
  wire lacks_place = !takes_beforehand && !lacks_input && sends && !place;
  logic [1:0] late_in, late_out;
  always_ff @(posedge clk) begin
    late_in <= {late_in[0], lacks_input};
    late_out <= {late_out[0], lacks_place};
  end
  wire remembers = live && slow && (late_in[0] != lacks_input || late_out[0] != lacks_place);

  assign busy = can_begin || can_take_index || in_access || remembers;
  assign data_taken = WRITE != 0 && begins;
  assign index_taken = takes_index || (begins && uses_index);
  assign scalar_taken = begins && begins_fill && uses_scalar;
  assign place_taken = begins && sends;
  assign tokens_taken = begins && begins_fill ? waits : '0;

  // ---- lanes: what is left of them, and what this slot serves
  logic [LANES-1:0] left;
  logic [LANES-1:0] served;
  logic [LANES*BW-1:0] lane_bank;
  logic [LANES*2-1:0] lane_byte;
  wire [PADDED-1:0] packet = {32'b0, in_access ? held_packet : data};
  wire [31:0] origin = base + buffer_start;
  wire [3:0] element_bytes = element == 2'd0 ? 4'b0001 : element == 2'd1 ? 4'b0011 : 4'b1111;

  function automatic logic [31:0] bits_of(input logic [3:0] bytes);
    bits_of = {{8{bytes[3]}}, {8{bytes[2]}}, {8{bytes[1]}}, {8{bytes[0]}}};
  endfunction

  always_comb begin
    logic [31:0] at;        // lane's offset
    logic [31:0] address;
    logic [31:0] word;
    logic [31:0] folded;
    logic [31:0] value;
    logic [31:0] mask;
    logic [3:0] bytes;
    logic [BW-1:0] bank;
    logic [31:0] indexed;
    left = '0;
    served = '0;
    lane_bank = '0;
    lane_byte = '0;
    bank_valid = '0;
    bank_word = '0;
    bank_bytes = '0;
    bank_written = '0;
    at = offset;
    address = '0;
    word = '0;
    folded = '0;
    value = '0;
    mask = '0;
    bytes = '0;
    bank = '0;
    indexed = '0;
    if (acts && pred_holds) begin
      for (int l = 0; l < LANES; l++) begin
        if (7'(l) < lanes && (!in_access || remaining[l])) begin
          indexed = at;
          if (uses_index) begin
            value = in_access || 3'(l / 16) != indices_taken ? held_indices[l*32 +: 32] : index_data[(l % 16)*32 +: 32];
            indexed = at + value * index_stride;
          end
          if (uses_index ? range_off || in_range(indexed, range_low, range_high) : whole_inside) begin
            left[l] = 1'b1;
            address = origin + indexed;
            word = {address[31:2], 2'b00};
            folded = (word >> shift) + (skew != '0 ? word >> skew : 32'b0);
            bank = BW'(folded % BANKS);
            if (!bank_valid[bank]) begin
              bank_valid[bank] = 1'b1;
              bank_word[32'(bank)*WAW +: WAW] = word[2 +: WAW];
            end
            if (bank_word[32'(bank)*WAW +: WAW] == word[2 +: WAW]) begin
              served[l] = 1'b1;
              lane_bank[l*BW +: BW] = bank;
              lane_byte[l*2 +: 2] = address[1:0];
              if (WRITE != 0) begin
                bytes = element_bytes << address[1:0];
                mask = bits_of(bytes);
                value = packet[(l << element) * 8 +: 32] << {address[1:0], 3'b0};
                bank_bytes[32'(bank)*4 +: 4] = bank_bytes[32'(bank)*4 +: 4] | bytes;
                bank_written[32'(bank)*32 +: 32] = (bank_written[32'(bank)*32 +: 32] & ~mask) | (value & mask);
              end
            end
          end
        end
        at = at + lane_stride;
      end
    end
  end

  // ---- the vector: lanes served now beside those served before
  logic [PADDED-1:0] gathered;
  generate
    if (WRITE == 0) begin : gather
      always_comb begin
        logic [31:0] value;
        value = '0;
        gathered = in_access ? partial : '0;
        if (served != '0) begin
          for (int l = 0; l < LANES; l++) begin
            if (served[l]) begin
              value = bank_read[32'(lane_bank[l*BW +: BW])*32 +: 32] >> {lane_byte[l*2 +: 2], 3'b0};
              gathered[(l << element) * 8 +: 32] = gathered[(l << element) * 8 +: 32] | (value & bits_of(element_bytes));
            end
          end
        end
      end
    end else begin : no_vector
      assign gathered = '0;
    end
  endgenerate

  logic [8:0] bytes_served;
  always_comb begin
    bytes_served = '0;
    if (acts) begin
      for (int l = 0; l < LANES; l++) bytes_served = bytes_served + {8'b0, served[l]};
    end
    bytes_served = bytes_served << element;
  end
  always_ff @(posedge clk) begin
    did <= '0;
    if (rst_n && !start)
      did <= {bytes_served, 3'b0, place_taken, slow, slow ? late_out[1] : late_out[0], slow ? late_in[1] : late_in[0], begins, begins || takes_index,
              acts || takes_index};
  end

  assign step = acts && left == served;
  assign vector_valid = step && (in_access ? held_sends : sends);
  assign vector_data = gathered[511:0];
  assign vector_sequence = mode[PMU_READ_MODE_SEQUENCE_LSB] ? sequence_id : '0;
  assign tokens_given = step && ends_fill ? token[PMU_WRITE_TOKEN_GIVE_LSB +: 8] : '0;
  assign tokens_sent = step && ends_fill ? token[PMU_WRITE_TOKEN_OUT_LSB +: 2] : '0;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      running <= 1'b0;
      in_access <= 1'b0;
      fill <= '0;
      buffer <= '0;
      buffer_start <= '0;
      indices_taken <= '0;
      sequence_id <= '0;
    end else if (start) begin
      running <= 1'b1;
      in_access <= 1'b0;
      fill <= '0;
      buffer <= '0;
      buffer_start <= '0;
      indices_taken <= '0;
      sequence_id <= seq[PMU_READ_SEQ_FIRST_LSB +: 16];
    end else begin
      if (takes_index) indices_taken <= indices_taken + 1'b1;
      if (acts) in_access <= !step;
      if (step) begin
        indices_taken <= '0;
        sequence_id <= sequence_id + seq[PMU_READ_SEQ_STEP_LSB +: 16];
        if (ends_fill) begin
          fill <= fill + 1'b1;
          if (buffer + 1'b1 == buffers[PMU_WRITE_BUFFERS_COUNT_LSB +: 5]) begin
            buffer <= '0;
            buffer_start <= '0;
          end else begin
            buffer <= buffer + 1'b1;
            buffer_start <= buffer_start + buffer_size;
          end
        end
      end
    end
  end

  always_ff @(posedge clk) begin
    if (acts) begin
      remaining <= left & ~served;
      partial <= gathered;
    end
    if (begins) begin
      held_packet <= data;
      held_sequence <= data_sequence;
      held_sends <= sends;
    end
    if (scalar_taken) held_scalar <= scalar;
    if (index_taken) held_indices[32'(indices_taken)*512 +: 512] <= index_data;
  end
endmodule
