// The server's inside: who serves the socket, what becomes of each message, and the queue to the simulation.
//
// The socket is served by one thread at a time, the holder of `serving_`. Normally that is the server's own
// thread. When the simulation waits for work it takes the socket over, so that a register access finds the
// simulation's thread directly, without waking a second one. It keeps the right for a moment after it has
// left wait(), because a busy client makes it wait again soon; a timer gives the socket back to the server's
// thread when that does not happen.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "pcie/vfio_user/connection.h"
#include "pcie/vfio_user/listener.h"
#include "pcie/vfio_user/negotiation.h"
#include "pcie/vfio_user/server.h"

namespace rdu::pcie::vfio_user::detail {

inline constexpr char kClosed[] = "it closed the connection";
inline constexpr char kHungUp[] = "the simulator ends";

class Engine {
 public:
  Engine(std::string path, Device& device, Options options);
  ~Engine();

  void start(UniqueFd connection);  // invalid: listen on the path
  void hang_up();
  void stop();

  std::optional<Request> next();
  bool wait(std::chrono::milliseconds timeout);
  void wake() { sim_bell_.ring(); }
  void execute(Request& request);
  int perform(Request& request);

  bool connected() const { return connected_.load(std::memory_order_acquire); }
  DmaMap& dma() { return *dma_; }
  IrqVectors& irqs() { return *irqs_; }
  const std::string& path() const { return path_; }

 private:
  enum class Holder { kServer, kSimulation };

  // --- whose turn it is to serve ---
  void run();
  std::unique_lock<std::mutex> take_over();
  void hand_back(std::unique_lock<std::mutex> turn);
  void start_timer();

  void ask_device();

  // --- the socket; with serving_ held ---
  // Waits until `until` at most for something to happen, and deals with it. `bell` (may be null) ends the
  // wait: true if it rang. With `one_request`, returns as soon as there is something in the queue, without
  // looking for more.
  bool serve(const Doorbell* bell, Clock::time_point until, bool one_request);
  void snatch(Clock::time_point until);
  Clock::time_point next_deadline() const;
  void check_deadlines();
  void admit();
  void adopt(UniqueFd socket);
  void accept_session(const Capabilities& client);
  void drop(const std::string& why);
  void read_messages(bool to_the_end, bool one_request);
  void close_after_replies(const std::string& why);
  bool throttled() const;

  // --- messages; with serving_ held ---
  void handle(Message& message);
  void take_answer(const Message& message);
  // Each answers the command by `slot` or queues a request that will; or returns an errno value for the
  // reply.
  int dispatch(Message& message, const std::shared_ptr<Slot>& slot);
  int handle_version(const Message& message, Slot& slot);
  int handle_get_info(const Message& message, Slot& slot);
  int handle_region_info(const Message& message, Slot& slot);
  int handle_region_io_fds(const Message& message, Slot& slot);
  int handle_irq_info(const Message& message, Slot& slot);
  int handle_set_irqs(Message& message, const std::shared_ptr<Slot>& slot);
  int handle_region_access(const Message& message, const std::shared_ptr<Slot>& slot, bool write);
  int handle_write_multi(const Message& message, const std::shared_ptr<Slot>& slot);
  int handle_dma_map(Message& message, const std::shared_ptr<Slot>& slot);
  int handle_dma_unmap(const Message& message, const std::shared_ptr<Slot>& slot);
  int check_access(uint32_t region, uint64_t offset, uint32_t count, bool write);
  int refuse(int error, const char* why);  // notes `why` for the log, returns `error`

  Request make(Request::Kind kind, std::shared_ptr<Slot> slot);
  void queue(Request request);

  // --- DMA by message; the simulation's thread ---
  int call(wire::Command command, uint64_t iova, uint8_t* in, const uint8_t* out, size_t size);
  int call_once(wire::Command command, uint64_t iova, uint8_t* in, const uint8_t* out, size_t size);

  void log(const std::string& line) const;
  void log_client(const std::string& line);  // of what a client did: falls silent after a while

  const std::string path_;
  Device& device_;
  const Options options_;

  // What the device said of itself at start.
  DeviceInfo info_;
  std::vector<RegionInfo> regions_;
  std::vector<IrqInfo> irq_infos_;
  std::vector<std::vector<uint8_t>> region_replies_;  // the payloads that answer GET_REGION_INFO

  std::unique_ptr<DmaMap> dma_;
  std::unique_ptr<IrqVectors> irqs_;

  // Turns.
  std::mutex serving_;
  std::atomic<Holder> holder_{Holder::kServer};  // written with serving_ held
  std::atomic<bool> simulation_wants_{false};    // the server's thread is to let go
  std::atomic<uint64_t> turns_{0};               // how often the simulation has taken its turn
  std::atomic<bool> timer_armed_{false};
  bool eager_ = false;  // the last wait was short; the simulation's thread
  // With one processor, who waits by looking keeps the client from it.
  const bool may_be_eager_ = std::thread::hardware_concurrency() > 1;
  UniqueFd timer_;
  std::atomic<bool> stopping_{false};
  Doorbell control_;   // the server's thread must look up
  Doorbell sim_bell_;  // the simulation's thread must look up
  std::thread thread_;
  bool started_ = false;

  // The socket; with serving_ held.
  std::shared_ptr<Doorbell> work_ =
      std::make_shared<Doorbell>();  // the connection or the owner did something
  Listener listener_;
  Clock::time_point accept_again_ = Clock::time_point::min();
  std::shared_ptr<Connection> connection_;
  std::string peer_;  // "client (process 1234)"
  Clock::time_point session_deadline_ = Clock::time_point::max();
  bool negotiated_ = false;
  bool hung_up_ = false;  // by hang_up()
  bool closing_ = false;  // nothing is read any more; the client goes when its replies have left
  std::string closing_why_;
  Capabilities client_;
  const char* why_ = nullptr;
  unsigned complaints_ = 0;
  std::atomic<bool> connected_{false};
  std::atomic<bool> leaving_{false};  // a client has gone and the simulation has not yet seen it

  // The answer that call_once() waits for; with serving_ held.
  struct Call {
    bool active = false;
    bool done = false;
    int error = 0;
    uint16_t id = 0;
    wire::Command command = wire::Command::kDmaRead;
    uint64_t iova = 0;
    uint8_t* in = nullptr;
    size_t size = 0;
  };
  Call call_;
  uint16_t next_id_ = 1;

  // To the simulation.
  std::mutex queue_lock_;
  std::deque<Request> queue_;
  std::atomic<size_t> queued_{0};
  std::atomic<size_t> queued_bytes_{0};
  uint64_t next_number_ = 1;  // with serving_ held
};

}  // namespace rdu::pcie::vfio_user::detail
