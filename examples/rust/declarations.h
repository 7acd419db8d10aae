/* bindgen makes Rust's declarations from this. */
#include <signal.h>
#include <tcsync.h>
#include <unistd.h>
