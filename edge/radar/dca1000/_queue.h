// A bounded queue of released frames, from the thread that receives to the one that processes.
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

enum { MAX_TAKEN = 32, MAX_QUEUED_FRAMES = 2000, MIN_QUEUED_FRAMES = 32, MAX_QUEUED_BYTES = 64 << 20 };

// data_at: place of its bytes in the queue's data.
typedef struct {
    int64_t seq, t_ns, steady_ns, received, data_at;
} released_frame;

// `unused` is a stack, so that as few buffers are touched as frames wait.
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    int64_t frame_bytes;
    int32_t capacity, unused_count, waiting_count, wanted, first, taken_count;
    int32_t *unused, *waiting, taken[MAX_TAKEN];  // buffers; waiting: a ring that begins at `first`
    released_frame *frames;                       // of each buffer
    uint8_t *data;
    released_frame taken_frames[MAX_TAKEN];
} queue;

static int64_t queue_capacity(int64_t frame_bytes) {
    const int64_t fitting = MAX_QUEUED_BYTES / frame_bytes;
    return fitting < MIN_QUEUED_FRAMES ? MIN_QUEUED_FRAMES : fitting > MAX_QUEUED_FRAMES ? MAX_QUEUED_FRAMES : fitting;
}

static int64_t queue_bytes(int64_t frame_bytes) {
    const int64_t each = (int64_t)(sizeof(released_frame) + 2 * sizeof(int32_t)) + frame_bytes;
    return queue_capacity(frame_bytes) * each;
}

// memory: queue_bytes(frame_bytes), aligned to 8 bytes.
static void init_queue(queue *q, int64_t frame_bytes, void *memory) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&q->filled, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&q->lock, NULL);
    q->frame_bytes = frame_bytes;
    q->capacity = (int32_t)queue_capacity(frame_bytes);
    q->frames = memory;
    q->unused = (int32_t *)(q->frames + q->capacity);
    q->waiting = q->unused + q->capacity;
    q->data = (uint8_t *)(q->waiting + q->capacity);
    for (int32_t k = q->capacity; k-- > 0;) q->unused[q->unused_count++] = k;
}

// Appends a frame with a copy of its bytes; drops it if the queue is full. `wake_consumer` follows.
static void enqueue(queue *q, released_frame frame, const uint8_t *bytes) {
    pthread_mutex_lock(&q->lock);
    if (q->unused_count) {
        const int32_t buffer = q->unused[--q->unused_count];
        frame.data_at = buffer * q->frame_bytes;
        q->frames[buffer] = frame;
        memcpy(q->data + frame.data_at, bytes, (size_t)q->frame_bytes);
        q->waiting[(q->first + q->waiting_count++) % q->capacity] = buffer;
    }
    pthread_mutex_unlock(&q->lock);
}

static void wake_consumer(queue *q) {
    pthread_mutex_lock(&q->lock);
    if (q->waiting_count >= q->wanted) pthread_cond_signal(&q->filled);
    pthread_mutex_unlock(&q->lock);
}

// Waits for `wanted` frames, 1 to MAX_TAKEN, until deadline_ns (monotonic), and puts all that wait, up to MAX_TAKEN, into
// `taken_frames`; returns their number. Their bytes are valid until the next call.
static int take(queue *q, int wanted, int64_t deadline_ns) {
    const struct timespec deadline = {deadline_ns / 1000000000, deadline_ns % 1000000000};
    pthread_mutex_lock(&q->lock);
    while (q->taken_count) q->unused[q->unused_count++] = q->taken[--q->taken_count];
    q->wanted = wanted;
    while (q->waiting_count < wanted && !pthread_cond_timedwait(&q->filled, &q->lock, &deadline)) continue;
    while (q->waiting_count && q->taken_count < MAX_TAKEN) {
        const int32_t buffer = q->waiting[q->first];
        q->first = (q->first + 1) % q->capacity;
        q->waiting_count--;
        q->taken_frames[q->taken_count] = q->frames[buffer];
        q->taken[q->taken_count++] = buffer;
    }
    pthread_mutex_unlock(&q->lock);
    return q->taken_count;
}
