// Credits of a unit's output into a switch: one at a time, so that packets come at least `interval` cycles apart. An interval of 0
// or 1 is no limit: credits are those of the queues.
module network_throttle #(
  parameter int FLOWS = 8,
  parameter int DEPTH = 2
) (
  input  logic                     clk,
  input  logic                     rst_n,
  input  logic                     start,
  input  logic [7:0]               interval,
  input  logic                     valid,   // a packet comes
  input  logic [$clog2(FLOWS)-1:0] flow,
  input  logic [FLOWS-1:0]         gone,    // packets leave their queues
  output logic [FLOWS-1:0]         credit,
  output logic                     owing
);
  localparam int CW = $clog2(DEPTH + 1);

  logic given;               // the unit has its credit
  logic [7:0] hold;          // cycles until it may get one
  logic [CW-1:0] room;       // places that nobody has been promised
  logic [$clog2(FLOWS)-1:0] last;  // flow of its last packet

  function automatic logic [CW-1:0] ones(input logic [FLOWS-1:0] bits);
    ones = '0;
    for (int f = 0; f < FLOWS; f++) ones = ones + CW'(bits[f]);
  endfunction

  wire limited = interval > 8'd1;
  wire [CW-1:0] places = room + ones(gone);
  wire gives = limited && !given && hold == '0 && places != '0;

  assign owing = limited && !given;
  assign credit = limited ? FLOWS'(gives) << last : gone;

  always_ff @(posedge clk) begin
    if (!rst_n || start) begin
      given <= 1'b1;
      hold <= '0;
      room <= CW'(DEPTH - 1);
      last <= '0;
    end else if (limited) begin
      room <= places - CW'(gives);
      if (valid) begin
        given <= 1'b0;
        hold <= interval - 8'd2;
        last <= flow;
      end else begin
        if (gives) given <= 1'b1;
        if (hold != '0) hold <= hold - 1'b1;
      end
    end
  end
endmodule
