#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rdu::fabric {

/// Who may have to wait for whom when packets of several streams share a queue: switch/README.md ("Why it
/// does not deadlock").
class WaitGraph {
 public:
  struct Part {
    uint32_t unit;
    unsigned part;
    friend bool operator==(const Part& a, const Part& b) { return a.unit == b.unit && a.part == b.part; }
  };
  struct End {
    Part taker;
    unsigned port;
    bool join;  ///< waits for the other streams that end there
  };
  struct Stream {
    std::string name;
    Part sender;
    std::vector<End> ends;
    bool is_token;  ///< needs no places
  };

  /// Returns its number.
  size_t add(Stream stream) {
    streams_.push_back(std::move(stream));
    return streams_.size() - 1;
  }
  /// Two streams, of one end each, share a queue.
  void share(size_t a, size_t b) { shared_.emplace_back(a, b); }

  /// Names of streams that may wait for each other in a circle through a shared queue, and the number of the
  /// pair (in order of share()) that closes it; empty if there are none.
  std::vector<std::string> circle(size_t* pair) const;

 private:
  std::vector<size_t> groups() const;

  std::vector<Stream> streams_;
  std::vector<std::pair<size_t, size_t>> shared_;
};

}  // namespace rdu::fabric
