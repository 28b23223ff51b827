#pragma once

#include <chrono>
#include <iosfwd>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace rdu::platform {

class Socket;
}

namespace rdu::mgmt {
class Management;
}

namespace rdu::platform {

/// What a run tells at its end, as JSON and as text. Host-side figures (seconds, memory) stand apart from
/// simulated ones, which are equal in every run with equal inputs.
class Report {
 public:
  explicit Report(std::string configuration);

  /// The platform is built: elaboration's host time ends here.
  void elaborated();
  double host_seconds() const;

  /// The figures so far, without those of this machine.
  nlohmann::ordered_json describe(const Socket& socket) const;
  /// Throws bad_input if the file cannot be written.
  void write(const std::string& file, const Socket& socket) const;
  void write(const std::string& file, const mgmt::Management& management) const;
  /// What the platform is made of, and what building it cost.
  void print_summary(std::ostream& out, const Socket& socket) const;

 private:
  nlohmann::ordered_json head() const;
  void finish(const std::string& file, nlohmann::ordered_json report) const;

  using Clock = std::chrono::steady_clock;
  std::string configuration_;
  Clock::time_point start_ = Clock::now();
  double elaboration_seconds_ = 0;
};

}  // namespace rdu::platform
