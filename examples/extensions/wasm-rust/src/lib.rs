//! The example job (../model/model.h says what it is) as a WebAssembly filter in Rust.
//!
//! Envoy runs one instance of this module in each of its threads; an HTTP request is a [`Request`]. The body comes
//! in pieces, and Envoy keeps them while the filter returns `Pause`: when the last has come, all of it is looked
//! at at once.

mod model;

use std::rc::Rc;

use model::{model_of, Settings};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Filter::default()));
}}

const HEADER: &str = "x-model";

#[derive(Default)]
struct Filter {
    settings: Rc<Settings>,
}

impl Context for Filter {}

impl RootContext for Filter {
    /// The field `config` of the policy. False: Envoy takes no configuration with this filter.
    fn on_configure(&mut self, _size: usize) -> bool {
        match Settings::read(&self.get_plugin_configuration().unwrap_or_default()) {
            Ok(settings) => self.settings = Rc::new(settings),
            Err(error) => {
                log::error!("model: the config is wrong: {}", error);
                return false;
            }
        }
        true
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request { settings: self.settings.clone(), body_size: 0 }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Request {
    settings: Rc<Settings>,
    body_size: usize,
}

impl Request {
    fn on_whole_request(&mut self) -> Action {
        let body = self.get_http_request_body(0, self.body_size).unwrap_or_default();
        let model = model_of(&body);
        if let Some((status, body)) = self.settings.refusal_of(model.as_deref()) {
            self.send_http_response(status, vec![("content-type", "application/json")], Some(body));
            return Action::Pause;
        }
        if let Some(model) = model {
            self.set_http_request_header(HEADER, Some(&model));
        }
        Action::Continue
    }
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        self.set_http_request_header(HEADER, None); // which is ours alone to set
        if end_of_stream {
            self.on_whole_request()
        } else {
            Action::Pause
        }
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.body_size = size; // of all of it so far
        if end_of_stream {
            self.on_whole_request()
        } else {
            Action::Pause
        }
    }

    /// A body that is followed by trailers ends here.
    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.on_whole_request()
    }
}
