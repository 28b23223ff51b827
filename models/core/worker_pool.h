#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace rdu::core {

/// Work that somebody else may do, or whoever needs its result: arithmetic on data that nobody changes
/// meanwhile. It may touch nothing of the simulation.
class Job {
 public:
  Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  /// A job that was submitted may go only when it is done.
  virtual ~Job() = default;

  bool done() const { return state_.load(std::memory_order_acquire) == State::done; }

 protected:
  /// Throws nothing.
  virtual void run() = 0;

 private:
  friend class WorkerPool;
  enum class State : uint8_t { idle, queued, running, done };
  std::atomic<State> state_{State::idle};
};

/// Threads that do jobs. What a job computes depends on the job alone, so neither the number of threads nor
/// who does what shows in any result or time. All functions are for one thread, that of the simulation.
class WorkerPool {
 public:
  /// `helpers` threads besides the one that waits; with 0 whoever waits does the jobs.
  explicit WorkerPool(unsigned helpers);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  unsigned helpers() const { return static_cast<unsigned>(threads_.size()); }

  /// The job is done at some time from here on; it may be submitted again once it is. First come first
  /// served.
  void submit(Job& job);
  /// Until the job, which was submitted, is done. Does it, or others, meanwhile.
  void wait(Job& job);

  /// The process's pool: as many threads as the machine has processors, the waiting one included, at most
  /// kMostThreads, or what set_threads() asked for before its first use.
  static WorkerPool& instance();
  /// Threads of the process's pool, the waiting one included; at least 1. Before the first use of instance().
  static void set_threads(unsigned threads);
  static constexpr unsigned kMostThreads = 8;  ///< more than a tile's timing can feed
  /// A thread is woken for so many jobs at least: to wake it takes as long as a small one.
  static constexpr size_t kWorthWaking = 4;

 private:
  bool run_one(std::unique_lock<std::mutex>& lock);
  void serve();

  std::mutex mutex_;
  std::condition_variable work_;  ///< there is a job, or the end
  std::condition_variable done_;  ///< a job is done that somebody waits for
  std::deque<Job*> queue_;
  const Job* wanted_ = nullptr;
  bool ending_ = false;
  unsigned sleeping_ = 0;  ///< threads that wait for a job
  std::vector<std::thread> threads_;
};

}  // namespace rdu::core
