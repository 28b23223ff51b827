// The device, and what belongs to it. Objects are shared between their handle and their children; close()
// takes the transport away from all of them, after which they only can be destroyed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "rdu.h"
#include "runtime/error.h"
#include "runtime/transport.h"

namespace rdu::runtime {

class Context;

using Log = std::function<void(const std::string&)>;

class Device : public std::enable_shared_from_this<Device> {
 public:
  Device(std::unique_ptr<Transport> transport, Milliseconds timeout, Log log);
  ~Device();

  void close();

  rdu_info info();
  rdu_memory_counters memory_counters();
  std::vector<rdu_activity> activity();
  std::string log_text();
  std::vector<rdu_sensor> sensors();
  rdu_health health();
  std::vector<rdu_device_event> events();
  std::vector<rdu_context_usage> contexts();
  rdu_usage usage();
  std::string panic_text();  // empty if there was none

  // Throws DEVICE_LOST once the device was closed.
  Transport& transport();
  Milliseconds timeout() const { return timeout_; }  // of administrative commands and waits for room
  void log(const std::string& line) const;

  // The program that was loaded into the tile last, in order of submission: its identity, 0 for none. Throws
  // INVALID_ARGUMENT if there is no such tile. Guarded by mutex().
  uint64_t& loaded_program(uint32_t tile);

  // Guards the tree of objects: contexts, their memory, queues and programs. Never held in a wait for a
  // command.
  std::recursive_mutex& mutex() { return mutex_; }
  void add(Context* context) { contexts_.insert(context); }
  void remove(Context* context) { contexts_.erase(context); }

 private:
  std::unique_ptr<Transport> transport_;
  Milliseconds timeout_;
  Log log_;
  std::recursive_mutex mutex_;
  std::set<Context*> contexts_;
  std::vector<uint64_t> loaded_programs_;  // by tile
};

}  // namespace rdu::runtime
