// A descriptor that becomes readable on request, also from a signal handler.
#ifndef TCSYNC_SRC_BASE_WAKE_DESCRIPTOR_H_
#define TCSYNC_SRC_BASE_WAKE_DESCRIPTOR_H_

namespace tcsync::base {

// An eventfd, or a pipe where there is none.
class WakeDescriptor {
 public:
  // std::system_error when the process has no descriptor left.
  WakeDescriptor();
  WakeDescriptor(const WakeDescriptor&) = delete;
  WakeDescriptor& operator=(const WakeDescriptor&) = delete;
  ~WakeDescriptor();

  // To be waited on for reading. The number is the same during the object's lifetime.
  int fd() const { return read_end_; }

  // Makes it readable. Any thread and any signal handler; leaves errno as it was.
  void Wake() const noexcept;

  // Makes it unreadable until the next Wake().
  void Drain() const noexcept;

  // In a child of a fork: gives this process new files behind the numbers, so that it neither wakes
  // nor is woken by the parent. std::system_error when the process has no descriptor left.
  void Renew();

 private:
  int read_end_ = -1;
  int write_end_ = -1;  // the same for an eventfd
};

}  // namespace tcsync::base

#endif  // TCSYNC_SRC_BASE_WAKE_DESCRIPTOR_H_
