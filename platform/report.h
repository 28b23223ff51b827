#pragma once

#include <chrono>
#include <iosfwd>
#include <string>

namespace rdu::platform {

class Socket;

/// What a run tells at its end, as JSON and as text. Host-side figures (seconds, memory) stand apart from
/// simulated ones, which are equal in every run with equal inputs.
class Report {
 public:
  explicit Report(std::string configuration);

  /// The platform is built: elaboration's host time ends here.
  void elaborated();
  double host_seconds() const;

  /// Throws bad_input if the file cannot be written.
  void write(const std::string& file, const Socket& socket) const;
  /// What the platform is made of, and what building it cost.
  void print_summary(std::ostream& out, const Socket& socket) const;

 private:
  using Clock = std::chrono::steady_clock;
  std::string configuration_;
  Clock::time_point start_ = Clock::now();
  double elaboration_seconds_ = 0;
};

}  // namespace rdu::platform
