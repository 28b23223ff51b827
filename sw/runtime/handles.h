// What is behind the handles of rdu.h.
#pragma once

#include <memory>

#include "rdu.h"

namespace rdu::runtime {
class Context;
class Device;
class Event;
class Memory;
class Program;
class Queue;
class Schedule;
}  // namespace rdu::runtime

struct rdu_device {
  std::shared_ptr<rdu::runtime::Device> device;
};
struct rdu_context {
  std::shared_ptr<rdu::runtime::Context> context;
};
struct rdu_queue {
  std::shared_ptr<rdu::runtime::Queue> queue;
};
struct rdu_memory {
  std::unique_ptr<rdu::runtime::Memory> memory;
};
struct rdu_program {
  std::unique_ptr<rdu::runtime::Program> program;
};
struct rdu_schedule {
  std::unique_ptr<rdu::runtime::Schedule> schedule;
};
struct rdu_event {
  std::unique_ptr<rdu::runtime::Event> event;
};
