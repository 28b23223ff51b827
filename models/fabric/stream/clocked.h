#pragma once

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "fabric/stream/pins.h"
#include "fabric/stream/port.h"

namespace rdu::fabric {

/// Waves of a unit in a window of time, asked for from outside.
struct WavesWindow {
  std::string tile;   ///< whose unit; "": of whatever tile is the first to run it
  uint32_t unit = 0;  ///< 0: none
  std::string file;
  uint64_t from = 0;  ///< cycles of the tile, inclusive
  uint64_t to = ~uint64_t{0};
  bool has_begun = false;  ///< there is a file
};
/// Of this process; set before the first tile is made.
WavesWindow& waves_window();

/// A pin model among the units of a graph: gives it each cycle what arrives by its streams and wires, and
/// sends on what it gives. It is clocked only while something inside or a known arrival wants it, in batches
/// as long as its inputs are known. stream/README.md ("Pins", "The bound").
///
/// It also watches the protocol: a packet or word without a credit, a credit without a packet, a packet to
/// where nothing is connected, or something that arrives in a cycle that is over end in core::Error
/// (internal) with unit, port and cycle.
class ClockedUnit : public BoundUnit, private PinNeighbours {
 public:
  /// `fifo_depth` and `scalar_depth`: packets (words) that an input's FIFO holds, of each flow. A stream may
  /// bring more; they wait on their way.
  ClockedUnit(Context& context, uint32_t id, std::unique_ptr<PinModel> model, const ConfigWords& words,
              uint64_t fifo_depth, uint64_t scalar_depth);
  ~ClockedUnit() override;

  // Ports; made when they are asked for, so that only what is connected costs time. `flow` is 0 where the
  // unit has one flow or one queue.
  InputPort& input(unsigned port, unsigned flow = 0);
  OutputPort& output(unsigned port, unsigned flow = 0);
  InputPort& scalar_input(unsigned port, unsigned flow = 0) override;
  OutputPort& scalar_output(unsigned port, unsigned flow = 0) override;
  TokenInput& token_input(unsigned port) override;
  TokenOutput& token_output(unsigned port) override;
  InputPort& packet_input(unsigned port, unsigned flow) override { return input(port, flow); }
  OutputPort& packet_output(unsigned port, unsigned flow) override { return output(port, flow); }

  /// New words; they count from the next start on.
  void configure(const ConfigWords& words) { words_ = words; }
  PinModel& model() { return *model_; }
  /// Writes waves in that window, if nobody does already; it outlives the unit. Cycles in which the clock
  /// stands are not in it.
  void record(WavesWindow& window);

  void start(uint64_t cycle) override;
  bool finished() const override { return has_begun_ && out_.done; }
  std::string waits_for() const override;
  const UnitCounts& counts() const override;

  /// Cycles that the model was clocked in this execution.
  uint64_t clocked() const { return clocked_; }

 protected:
  void advance(uint64_t known) override;

  // For a unit that is connected to memory besides: its answers come and its requests go with the clock.
  /// Arrival of the answer that is known to come next; kNoCycle if none is.
  virtual uint64_t next_answer() const { return kNoCycle; }
  /// The first cycle at which an answer may arrive that is not known.
  virtual uint64_t answers_unknown_from() const { return kNoCycle; }
  /// Sets the model's pins to the answers that arrive at this cycle. Before the model's tick().
  virtual void bring_answers(uint64_t arrival) { static_cast<void>(arrival); }
  /// Passes on the requests that the model shows in this cycle.
  virtual void give_requests(uint64_t cycle) { static_cast<void>(cycle); }

 private:
  struct In {
    In(Unit& owner, unsigned p, unsigned f, uint64_t d) : port(p), flow(f), depth(d), stream(owner) {}
    unsigned port;
    unsigned flow;
    uint64_t depth;
    InputPort stream;
    uint64_t late_until = 0;  ///< what has arrived up to here may have had to wait for a place, or its turn
    BlockRef block;           ///< of the packet delivered last: keeps it alive
  };
  struct Out {
    Out(Unit& owner, unsigned p, unsigned f) : port(p), flow(f), stream(owner) {}
    unsigned port;
    unsigned flow;
    OutputPort stream;
    uint64_t credits = 0;  ///< that the model has
  };
  /// Inputs and outputs of one network: packets or scalars.
  struct Network {
    explicit Network(const char* n) : name(n) {}
    const char* name;
    unsigned flows = 1;
    uint32_t merged = 0;
    std::deque<In> inputs;  ///< connected ones; a deque, because ports stay where they are
    std::deque<Out> outputs;
    std::vector<In*> in_at;  ///< [port * flows + flow]; null: not connected
    std::vector<Out*> out_at;
    std::vector<std::unique_ptr<BlockWriter>> writers;  ///< by output port
  };
  struct TokenIn {
    TokenIn(Unit& owner, unsigned p) : port(p), wire(owner) {}
    unsigned port;
    TokenInput wire;
  };
  struct TokenOut {
    TokenOut(Unit& owner, unsigned p) : port(p), wire(owner) {}
    unsigned port;
    TokenOutput wire;
  };

  void set_up(Network& network, unsigned in, unsigned out, unsigned flows, uint32_t merged);
  InputPort& input(Network& network, unsigned port, unsigned flow, uint64_t depth);
  OutputPort& output(Network& network, unsigned port, unsigned flow);

  std::string before(PinNeighbours::Network network, unsigned input, unsigned flow) const override;
  std::string behind(PinNeighbours::Network network, unsigned output) const override;

  uint64_t next_event() const;
  bool is_known(uint64_t arrival) const;
  void tick();
  void begin_waves();
  template <class Deliver>
  void deliver(Network& network, uint64_t arrival, Deliver deliver);
  template <class Credit>
  void collect_credits(Network& network, uint64_t arrival, Credit credit);
  void give();
  Out& sending(Network& network, unsigned port, unsigned flow);
  void place(unsigned port);
  void take(Network& network, unsigned port, unsigned flows);
  void count();
  [[noreturn]] void broken(const std::string& text) const;

  std::unique_ptr<PinModel> model_;
  ConfigWords words_;
  uint64_t fifo_depth_;
  uint64_t scalar_depth_;
  Network packets_{"packet"};
  Network scalars_{"scalar"};
  std::deque<TokenIn> tokens_in_;
  std::deque<TokenOut> tokens_out_;
  std::array<TokenOut*, 32> token_out_at_{};

  PinInputs in_;
  PinOutputs out_;
  uint64_t cycle_ = 0;      ///< whose output pins out_ shows, and whose input pins come next
  bool has_begun_ = false;  ///< the pins of the first cycle have been given away
  uint64_t clocked_ = 0;
  /// What an actor of the model has done.
  struct Actor {
    uint64_t next = 0;  ///< slot in which it could have begun something
    UnitCounts counts;
  };
  std::array<Actor, kMostActors> actors_;
  mutable UnitCounts counts_;

  WavesWindow* waves_ = nullptr;
  uint64_t waves_from_ = kNoCycle;  ///< cycle with which they begin, if they have not
};

}  // namespace rdu::fabric
