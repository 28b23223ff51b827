#pragma once

#include <memory>
#include <string>

#include "core/time.h"
#include "pcie/record/recording.h"
#include "platform/debugger.h"
#include "platform/identity.h"
#include "platform/options.h"
#include "platform/report.h"
#include "platform/serial/port.h"
#include "platform/simulation.h"
#include "platform/socket.h"

namespace rdu::platform {

/// The course that a card's run takes: with a host that is there, recorded or not, without one, or with one
/// that was recorded.
class Course {
 public:
  struct Ending {
    std::string text;       ///< "the host has left"
    int status = 0;         ///< exit status
    std::string complaint;  ///< for standard error, where the status is not 0
  };

  virtual ~Course() = default;
  /// Once. Throws SocketError and what models throw.
  virtual Ending run() = 0;
  /// From a signal handler.
  virtual void stop() = 0;
};

/// What both kinds need. All of it outlives the course.
struct CourseParts {
  const Options& options;
  Socket& socket;
  const CouplingParams& coupling;
  serial::Port* console;  ///< or null
  Debugger* debugger;     ///< or null
  core::Time run_for;
  const Identity& identity;
  const Report& report;
};

/// Serves who connects to --socket, or boots and ends when nothing is left to do; writes --record. Throws
/// bad_input.
std::unique_ptr<Course> live_course(const CourseParts& parts);

/// Runs a recording again. Throws bad_input if it is of something else, unless --replay-anyway.
std::unique_ptr<Course> replay_course(const CourseParts& parts, pcie::record::RecordingReader& recording,
                                      const Identity& recorded);

}  // namespace rdu::platform
