#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cosim/divergence.h"
#include "cosim/dut.h"
#include "cosim/stimulus.h"

namespace rdu::cosim {

/// What a unit showed at its output pins.
struct Log {
  struct Packet {
    uint64_t cycle;
    unsigned port;
    uint64_t head;
    Stimulus::Data data;
  };
  struct Word {
    uint64_t cycle;
    unsigned port;
    unsigned flow;
    uint32_t value;
  };
  struct Token {
    uint64_t cycle;
    unsigned port;
  };
  struct Credit {
    uint64_t cycle;
    unsigned port;
    unsigned flow;
  };
  std::vector<Packet> packets;
  std::vector<Word> words;
  std::vector<Token> tokens;
  std::vector<Credit> credits;         ///< for packets
  std::vector<Credit> scalar_credits;  ///< for words
  friend bool operator==(const Log& a, const Log& b);
};

struct Played {
  Log log;              ///< of the lead, if it was asked for
  uint64_t cycles = 0;  ///< that were clocked: those in which everybody was idle are not
  uint64_t end = 0;     ///< the cycle that it came to
  bool done = false;    ///< the lead has done all that it was configured to do
  std::optional<Divergence> divergence;
  size_t diverged = 0;  ///< which of the followers did
};

struct PlayOptions {
  bool keep_log = false;
  /// Ends as soon as a difference is known.
  bool stop_at_divergence = true;
  /// Waves of follower 0, or of the lead if it has none, in cycles `from` to `to`. Throws bad_input if it is
  /// a model, which has none.
  std::string waves;
  uint64_t waves_from = 0;
  uint64_t waves_to = ~uint64_t{0};
};

/// Plays a stimulus on a unit that leads, and on any number of others that get exactly its input pins:
/// packets and credits are answers to what the lead shows. Their output pins are compared cycle by cycle.
///
/// Ends after the stimulus' cycles. Units all of whose pins are idle are not clocked. Throws core::Error
/// (internal) if the lead breaks the rules of the pins.
Played play(const Stimulus& stimulus, Dut& lead, const std::vector<Dut*>& followers = {},
            const PlayOptions& options = {});

}  // namespace rdu::cosim
